"""The loop named `selectors`: epoll, one thread, callbacks. It keeps the contract of `contract.py`.

Theory. A turn is one epoll wait and all that follows from it. Per request it costs one recv, one send and a handful of
calls: level-triggered, 64 KiB a read and no read until EAGAIN, EPOLLOUT only after a partial send. What is no session's
(listeners, channel, signals) goes first in a batch, so that no descriptor closed in this batch is reused in it.

Listeners are EPOLLEXCLUSIVE, and re-registered (DEL, ADD) after each wake-up that accepted: that puts this worker last
in the listener's queue, so the next connection goes to another. EXCLUSIVE can't be modified (EINVAL), so a shut gate is
DEL. A doorbell also means: a wake-up may have been swallowed, so try one accept.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, Final

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.host import Host
from prefork.backends.link import CLOSED, Link
from prefork.backends.preface import greet, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.app.app import App
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether

READ_BYTES: Final = 64 * 1024
MAX_EVENTS: Final = 512
ACCEPTS: Final = 1
"""Accepts a wake-up: more of them is not faster, and unevens the load."""
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RESET = struct.pack("ii", 1, 0)


class SocketLink(Link):
    """A link on a non-blocking socket and an epoll."""

    __slots__ = ("_loop", "_mask", "_recv", "_socket", "fd")

    def __init__(self, loop: Loop, connection: socket.socket, peer: object, listener: object) -> None:
        super().__init__(loop.host, connection.send, peer, listener)
        self._loop = loop
        self._socket = connection
        self._recv = connection.recv
        self._mask = _IN
        self.fd = connection.fileno()

    def event(self, mask: int) -> None:
        """Epoll says `mask`."""
        if mask == _IN:
            self._pull()
            return
        if mask & _OUT:
            self.writable()
        if mask & ~_OUT and self._state != CLOSED:
            if self._mask & _IN:
                self._pull()
            elif mask & ~_IN:  # ERR or HUP while nothing is read any more
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.EPIPE
                self.lost(OSError(code, errno.errorcode.get(code, "connection lost")))

    def _pull(self) -> None:
        try:
            chunk = self._recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.lost(error)
            return
        if chunk:
            self.chunk_in(chunk)
        else:
            self.eof_in()

    def _interest(self) -> None:
        mask = (_IN if self._reads else 0) | (_OUT if self._blocked else 0)
        if mask != self._mask:
            self._mask = mask
            self._loop.epoll.modify(self.fd, mask)

    def _release(self, *, reset: bool) -> None:
        connection = self._socket
        if reset:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif not self._eof:  # what is read before close makes it FIN; left unread it would be a reset
            with contextlib.suppress(OSError):
                self._recv(READ_BYTES)
        self._loop.forget(self.fd)
        connection.close()

    def _local(self) -> object:
        return self._socket.getsockname()


class Loop:
    """One worker's loop, from READY to the last session."""

    def __init__(self, tether: Tether, listeners: Sequence[socket.socket], app: App) -> None:
        self.host = Host(app, tether)
        self.epoll = select.epoll()
        self._tether = tether
        self._gate = tether.gate
        self._links: dict[int, SocketLink] = {}
        self._listeners = {each.fileno(): (each, each.getsockname()) for each in listeners}
        self._others: dict[int, Callable[[int], None]] = dict.fromkeys(self._listeners, self._knock)
        self._registered = False
        self._told = False
        self._now = 0

    def run(self) -> None:
        """Serve until the gate says done."""
        tether = self._tether
        for listener, _ in self._listeners.values():
            prepare(listener)
        self._others[tether.channel.fileno()] = self._bell
        self._others[tether.wakeup_fd] = self._signal
        for fd in (tether.channel.fileno(), tether.wakeup_fd):
            self.epoll.register(fd, _IN)
        try:
            self._regate()
            tether.ready()
            self._after(time.monotonic_ns())
            self._serve()
        finally:
            self.epoll.close()
            tether.close()

    def _serve(self) -> None:
        """Turn after turn; everything that happens per request is in here or in the link."""
        host, tether, gate, timers = self.host, self._tether, self._gate, self.host.timers
        dirty, links, poll, clock = host.dirty, self._links, self.epoll.poll, time.monotonic_ns
        now = clock()
        while not gate.done:
            next_at = min(tether.next_at, timers.next_at)
            wait = 0 if dirty or (gate.sweeping and gate.open) else max(0, next_at - now) / 1e9
            events = poll(wait, MAX_EVENTS)
            self._now = now = clock()
            tether.turn_began(now)
            others = self._others
            for fd, mask in events:
                if fd in others:
                    self._first(events)
                    break
            for fd, mask in events:
                link = links.get(fd)
                if link is not None:
                    link.event(mask)
                    if dirty:
                        host.flush()
            if timers.next_at <= now:
                timers.fire(now)
            if dirty:
                host.flush()
            self._after(now)
            now = clock()
            tether.turn_ended(now)
