"""The loop named `selectors`: epoll, one thread, callbacks. It keeps the contract of `contract.py`.

Theory. A turn is one epoll wait and all that follows from it. Per request it costs one recv, one send and a handful of
calls: level-triggered, 64 KiB a read and no read until EAGAIN, EPOLLOUT only after a partial send. What is no session's
(listeners, channel, signals) goes first in a batch, so that no descriptor closed in this batch is reused in it.

Listeners are EPOLLEXCLUSIVE, which can't be modified (EINVAL): to watch and to unwatch are ADD and DEL.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.door import Door
from prefork.backends.host import Host
from prefork.backends.outlet import CLOSED
from prefork.backends.socket_link import READ_BYTES, SocketLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.app.app import App
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether

MAX_EVENTS: Final = 512
LONGEST_WAIT_NS: Final = 3_600_000_000_000
"""epoll takes 24 days at most; a turn too early is harmless."""
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_EXCLUSIVE = select.EPOLLIN | select.EPOLLEXCLUSIVE
_DEAF = -1
"""The mask of a connection that epoll doesn't watch: HUP can't be masked, and would wake the loop again and again."""


class EpollLink(SocketLink):
    """A link that an epoll waits for."""

    __slots__ = ("_loop", "_mask")

    def __init__(self, loop: Loop, connection: socket.SocketType, peer: object, listener: object) -> None:
        super().__init__(loop.host, connection, peer, listener)
        self._loop = loop
        self._mask = _IN

    def event(self, mask: int) -> None:
        """Epoll says `mask`."""
        if mask & _OUT:
            self.writable()
        if mask & ~_OUT and self._state != CLOSED:
            if self._mask & _IN:
                self.pull()
            elif mask & ~_IN:
                self._broken()

    def _broken(self) -> None:
        """ERR or HUP while nothing is read: HUP alone means that both ends sent EOF, which a session may outlive."""
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code or self._state:
            code = code or errno.EPIPE
            self.lost(OSError(code, errno.errorcode.get(code, "connection lost")))
        else:
            self._mask = _DEAF
            self._loop.epoll.unregister(self.fd)

    def _interest(self) -> None:
        mask = (_IN if self._reads else 0) | (_OUT if self._backlog is not None else 0)
        if self._mask == _DEAF:
            if mask:
                self._loop.epoll.register(self.fd, mask)
                self._mask = mask
        elif mask != self._mask:
            self._mask = mask
            self._loop.epoll.modify(self.fd, mask)

    def _forget(self) -> None:
        del self._loop.door.links[self.fd]
        if self._mask != _DEAF:
            self._loop.epoll.unregister(self.fd)


class Loop:
    """One worker's loop, from READY to the last session."""

    def __init__(self, tether: Tether, listeners: Sequence[socket.socket], app: App) -> None:
        self.host = Host(app, tether)
        self.epoll = select.epoll()
        self.door: Door[EpollLink] = Door(self.host, listeners, self)
        self._tether = tether
        self._others = {tether.channel.fileno(), tether.wakeup_fd, *self.door.listeners}
        self._now = 0

    def run(self) -> None:
        """Serve until the gate says done."""
        tether = self._tether
        try:
            for fd in (tether.channel.fileno(), tether.wakeup_fd):
                self.epoll.register(fd, _IN)
            self._now = time.monotonic_ns()
            self.door.start(self._now)
            self._serve()
            self.host.stop()
        finally:
            self.host.close()
            self.epoll.close()
            tether.close()

    def watch(self, fd: int, /) -> None:
        """Watch a listener."""
        self.epoll.register(fd, _EXCLUSIVE)

    def unwatch(self, fd: int, /) -> None:
        """Watch a listener no more."""
        self.epoll.unregister(fd)

    def hang_up(self, fd: int, /) -> None:
        """Watch the channel no more."""
        self.epoll.unregister(fd)

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> EpollLink:
        """A link on the connection."""
        link = EpollLink(self, connection, peer, listener)
        self.epoll.register(link.fd, _IN)
        return link

    def _serve(self) -> None:
        """Turn after turn."""
        host, door, tether, gate = self.host, self.door, self._tether, self._tether.gate
        poll, clock = self.epoll.poll, time.monotonic_ns
        while not gate.done:
            events = poll(self._patience(), MAX_EVENTS)
            self._now = now = clock()
            tether.turn_began(now)
            self._dispatch(events)
            host.turn(now)
            if door.is_due(now):
                door.obey(now)
            self._now = now = clock()
            tether.turn_ended(now)

    def _patience(self) -> float:
        """Seconds that the next turn may wait for."""
        if self.host.dirty:
            return 0
        wait = min(self._tether.next_at, self.host.timers.next_at, self._now + LONGEST_WAIT_NS) - self._now
        return wait / 1e9 if wait > 0 else 0

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        """Serve what epoll reported. All that happens for a request is in here and in the link."""
        host, others, find = self.host, self._others, self.door.links.get
        dirty = host.dirty
        for fd, _ in events:
            if fd in others:
                self._serve_others(events)
                break
        for fd, mask in events:
            link = find(fd)
            if link is None:
                continue
            if mask == _IN:
                recv = link.recv
                try:
                    chunk = recv(READ_BYTES)
                except OSError as error:
                    link.unread(error)
                else:
                    if chunk:
                        link.chunk_in(chunk)
                    else:
                        link.eof_in()
            else:
                link.event(mask)
            if dirty:
                host.flush()

    def _serve_others(self, events: list[tuple[int, int]]) -> None:
        """The master's word first, so that a pause that is already here wins over a connection that waits."""
        tether, door = self._tether, self.door
        fds = [fd for fd, _ in events if fd in self._others]
        if tether.wakeup_fd in fds:
            tether.signalled()
        if not tether.orphaned and tether.channel.fileno() in fds:
            door.bell(self._now)
        for fd in fds:
            door.knock(fd, self._now, busy=len(events))


class SelectorsBackend:
    """Callbacks on epoll, in one thread: the fastest, and the smallest in memory."""

    name = "selectors"
    contract = CONTRACT
    styles = frozenset({"session"})
    options = None

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, _options: object, /) -> None:
        """Serve `app` until the worker is done."""
        Loop(tether, listeners, app).run()


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `selectors`."""
    return [SelectorsBackend()]
