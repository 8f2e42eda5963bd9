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
from typing import TYPE_CHECKING, Final

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.host import Host
from prefork.backends.link import Link
from prefork.backends.outlet import CLOSED
from prefork.backends.preface import accept, greet, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.app.app import App
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether

READ_BYTES: Final = 64 * 1024
MAX_EVENTS: Final = 512
ACCEPTS: Final = 4
"""Most accepts a wake-up. An idle worker takes one, so that the next connection goes to another; a busy one takes as
many as it had events, for then the others are busy too, and fewer turns and registrations serve more.
"""
LONGEST_WAIT_NS: Final = 3_600_000_000_000
"""epoll takes 24 days at most; a turn too early is harmless."""
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_EXCLUSIVE = select.EPOLLIN | select.EPOLLEXCLUSIVE
_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RESET = struct.pack("ii", 1, 0)
_DEAF = -1
"""The mask of a connection that epoll doesn't watch: HUP can't be masked, and would wake the loop again and again."""


class SocketLink(Link):
    """A link on a non-blocking socket and an epoll."""

    __slots__ = ("_loop", "_mask", "_socket", "fd", "recv")

    def __init__(self, loop: Loop, connection: socket.SocketType, peer: object, listener: object) -> None:
        super().__init__(loop.host, connection.send, peer, listener)
        self._loop = loop
        self._socket = connection
        self.recv = connection.recv
        self._mask = _IN
        self.fd = connection.fileno()

    def event(self, mask: int) -> None:
        """Epoll says `mask`."""
        if mask & _OUT:
            self.writable()
        if mask & ~_OUT and self._state != CLOSED:
            if self._mask & _IN:
                self.pull()
            elif mask & ~_IN:
                self._broken()

    def pull(self) -> None:
        """Read once."""
        try:
            chunk = self.recv(READ_BYTES)
        except OSError as error:
            self.unread(error)
        else:
            if chunk:
                self.chunk_in(chunk)
            else:
                self.eof_in()

    def unread(self, error: OSError) -> None:
        """Reading failed; that nothing was there is no failure."""
        if not isinstance(error, BlockingIOError):
            self.lost(error)

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

    def _shut(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def _release(self, *, reset: bool) -> None:
        connection = self._socket
        if reset:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif not self._eof:  # what is read before close makes it FIN; left unread it would be a reset
            with contextlib.suppress(OSError):
                self.recv(READ_BYTES)
        self._loop.forget(self.fd, watched=self._mask != _DEAF)
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
        self._listeners = {each.fileno(): (each, int(each.family), each.getsockname()) for each in listeners}
        self._others = {tether.channel.fileno(), tether.wakeup_fd, *self._listeners}
        self._registered = False
        self._told = False
        self._now = 0

    def run(self) -> None:
        """Serve until the gate says done."""
        tether = self._tether
        for listener, _, _ in self._listeners.values():
            prepare(listener)
        try:
            for fd in (tether.channel.fileno(), tether.wakeup_fd):
                self.epoll.register(fd, _IN)
            self.host.start()
            self._regate()
            tether.ready()
            self._now = time.monotonic_ns()
            self._obey()
            self._serve()
            self.host.stop()
        finally:
            self.host.close()
            self.epoll.close()
            tether.close()

    def forget(self, fd: int, *, watched: bool) -> None:
        """Stop watching a connection; by hand, since a child of the user's may hold a copy of it open."""
        del self._links[fd]
        if watched:
            self.epoll.unregister(fd)

    def _serve(self) -> None:
        """Turn after turn."""
        host, tether, gate = self.host, self._tether, self._gate
        poll, clock = self.epoll.poll, time.monotonic_ns
        while not gate.done:
            events = poll(self._patience(), MAX_EVENTS)
            self._now = now = clock()
            tether.turn_began(now)
            self._dispatch(events)
            host.turn(now)
            if tether.next_at <= now or gate.draining or gate.open is not self._registered:
                self._obey()
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
        host, others, find = self.host, self._others, self._links.get
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

    # -- what is no session's ------------------------------------------------------------------------------------------

    def _serve_others(self, events: list[tuple[int, int]]) -> None:
        """The master's word first, so that a pause that is already here wins over a connection that waits."""
        fds = [fd for fd, _ in events if fd in self._others]
        if self._tether.wakeup_fd in fds:
            self._tether.signalled()
        if not self._tether.orphaned and self._tether.channel.fileno() in fds:
            self._bell()
        for fd in fds:
            if fd in self._listeners:
                self._knock(fd, min(len(events), ACCEPTS))

    def _bell(self) -> None:
        tether = self._tether
        tether.heard(self._now)
        if tether.orphaned:
            self._orphaned()
        for fd in [*self._listeners]:
            self._accept(fd)

    def _orphaned(self) -> None:
        """Close what the dead master would still be seen to hold: the channel and the listeners."""
        self._regate()
        channel = self._tether.channel
        self.epoll.unregister(channel.fileno())
        self._others.discard(channel.fileno())
        channel.close()
        for fd, (listener, _, _) in self._listeners.items():
            self._others.discard(fd)
            listener.close()
        self._listeners = {}

    def _obey(self) -> None:
        """Do what gate and tether ask for beside serving: beat, sweep, drain, deadline, gate."""
        tether, gate, now = self._tether, self._gate, self._now
        if tether.next_at <= now:
            tether.tick(now)
        if gate.sweeping and not self._listeners:
            tether.queue_empty()
        if gate.draining and not self._told:
            self._told = True
            self.host.drain([*self._links.values()], now)
        if tether.drain_by <= now:
            tether.queue_empty()
            for link in [*self._links.values()]:
                link.expire()
        self._regate()

    # -- accepting -----------------------------------------------------------------------------------------------------

    def _regate(self) -> None:
        """Watch the listeners while the gate is open, and only then."""
        is_open = self._gate.open
        if is_open is not self._registered:
            self._registered = is_open
            for fd in self._listeners:
                if is_open:
                    self.epoll.register(fd, _EXCLUSIVE)
                else:
                    self.epoll.unregister(fd)

    def _knock(self, fd: int, most: int) -> None:
        """Epoll says that somebody waits at a listener."""
        accepted = self._accept(fd)
        for _ in range(most - 1 if accepted else 0):
            if not self._accept(fd):
                break
        if not self._gate.open:
            self._regate()
        elif accepted and fd in self._listeners:
            self.epoll.unregister(fd)
            self.epoll.register(fd, _EXCLUSIVE)

    def _accept(self, fd: int) -> bool:
        """Take one connection, if the gate allows it; False: nobody waits, or none may be taken."""
        if not self._gate.open:
            return False
        listener, family, name = self._listeners[fd]
        try:
            connection = accept(listener, family)
        except BlockingIOError:
            return False
        except OSError as error:
            return self._not_accepted(fd, error)
        try:
            peer = greet(connection)
        except OSError:
            admitted = False
        else:
            admitted = self.host.admits(peer, name)
        if admitted:
            self._open(SocketLink(self, connection, peer, name))
        else:
            connection.close()
            self._tether.connection_refused()
        return True

    def _not_accepted(self, fd: int, error: OSError) -> bool:
        """Whether the next accept may fare better."""
        if error.errno in _NO_FILES:
            self._tether.out_of_files(self._now, error)
            return False
        if error.errno == errno.EINVAL:  # the master shut the listener down: nobody will ever wait there again
            if self._registered:
                self.epoll.unregister(fd)
            self._others.discard(fd)
            self._listeners.pop(fd)[0].close()
            return False
        self._tether.connection_refused()
        return True

    def _open(self, link: SocketLink) -> None:
        self._tether.session_opened()
        self._links[link.fd] = link
        self.epoll.register(link.fd, _IN)
        link.open(self._now)
        if self._told:
            self.host.drain([link], self._now)
        elif self.host.dirty:
            self.host.flush()


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
