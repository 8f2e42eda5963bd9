"""The turns of a worker on one epoll: sessions, listeners, the channel and signals. What every built-in loop shares.

Theory. A turn is one wait and all that follows from it. Per request it costs one recv, one send and a handful of calls:
level-triggered, 64 KiB a read and no read until EAGAIN, EPOLLOUT only after a partial send. What is no session's
(listeners, channel, signals) goes first in a batch, so that no descriptor closed in this batch is reused in it.

A loop either waits on the epoll itself (`selectors`), or is a foreign one that lends its own wait: then the epoll is
one readable descriptor to it (`guest`), or its selector (`asyncio`). Listeners are EPOLLEXCLUSIVE, which can't be
modified (EINVAL): to watch and to unwatch are ADD and DEL.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from prefork.backends.door import Door
from prefork.backends.outlet import CLOSED
from prefork.backends.socket_link import READ_BYTES, SocketLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.backends.host import Host

MAX_EVENTS: Final = 512
LONGEST_WAIT_NS: Final = 3_600_000_000_000
"""epoll takes 24 days at most; a turn too early is harmless."""
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_EXCLUSIVE = select.EPOLLIN | select.EPOLLEXCLUSIVE
_DEAF = -1
"""The mask of a connection that epoll doesn't watch: HUP can't be masked, and would wake the loop again and again."""


class EpollLink(SocketLink):
    """A link that an epoll waits for."""

    __slots__ = ("_mask", "_turns")

    def __init__(self, turns: Turns, connection: socket.SocketType, peer: object, listener: object) -> None:
        super().__init__(turns.host, connection, peer, listener)
        self._turns = turns
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
            self._turns.epoll.unregister(self.fd)

    def _interest(self) -> None:
        mask = (_IN if self._reads else 0) | (_OUT if self._backlog is not None else 0)
        if self._mask == _DEAF:
            if mask:
                self._turns.epoll.register(self.fd, mask)
                self._mask = mask
        elif mask != self._mask:
            self._mask = mask
            self._turns.epoll.modify(self.fd, mask)

    def _forget(self) -> None:
        del self._turns.door.links[self.fd]
        if self._mask != _DEAF:
            self._turns.epoll.unregister(self.fd)


class Turns:
    """One worker's: `start`, then turn after turn until `is_done`, then `stop`; `close` in any case."""

    def __init__(self, host: Host, listeners: Sequence[socket.socket]) -> None:
        self.host = host
        self.epoll = select.epoll()
        self.door: Door[EpollLink] = Door(host, listeners, self)
        self.now = 0
        """Monotonic ns at which this turn began, or the last one ended."""
        self._tether = host.tether
        self._others = {host.tether.channel.fileno(), host.tether.wakeup_fd, *self.door.listeners}

    @property
    def is_done(self) -> bool:
        """The gate says that there is nothing left to do."""
        return self._tether.gate.done

    def start(self) -> None:
        """Accept from now on; the app and the master know."""
        for fd in (self._tether.channel.fileno(), self._tether.wakeup_fd):
            self.epoll.register(fd, _IN)
        self.now = time.monotonic_ns()
        self.door.start(self.now)

    def stop(self) -> None:
        """The last session is over."""
        self.host.stop()

    def close(self) -> None:
        """Close what this opened, and the tether's."""
        self.host.close()
        self.epoll.close()
        self._tether.close()

    # -- turns ---------------------------------------------------------------------------------------------------------

    def patience(self) -> float:
        """Seconds that the next turn may wait for."""
        if self.host.dirty:
            return 0
        wait = min(self._tether.next_at, self.host.timers.next_at, self.now + LONGEST_WAIT_NS) - self.now
        return wait / 1e9 if wait > 0 else 0

    def began(self, events: list[tuple[int, int]]) -> None:
        """Serve what epoll reported, and do what is due."""
        self.now = now = time.monotonic_ns()
        self._tether.turn_began(now)
        if events:
            self._dispatch(events)
        self.host.turn(now)
        if self.door.is_due(now):
            self.door.obey(now)

    def ended(self) -> None:
        """The loop is about to wait."""
        self.now = now = time.monotonic_ns()
        self._tether.turn_ended(now)

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
            door.bell(self.now)
        for fd in fds:
            door.knock(fd, self.now, busy=len(events))
