"""The turns of a worker on one epoll: sessions, listeners, the channel and signals. What every built-in loop shares.

Theory. A turn is one wait and all that follows from it. Per request it costs one recv, one send and a handful of calls:
level-triggered, 64 KiB a read and no read until EAGAIN, EPOLLOUT only after a partial send. What is no session's
(listeners, channel, signals) goes first in a batch, so that no descriptor closed in this batch is reused in it.

A loop either waits on the epoll itself (`selectors`), or is a foreign one that lends its own wait: then the epoll is
one readable descriptor to it (`guest`), or its selector (`asyncio`). Listeners are EPOLLEXCLUSIVE, which can't be
modified (EINVAL): to watch and to unwatch are ADD and DEL.
"""

from __future__ import annotations

import time
from select import EPOLLEXCLUSIVE, EPOLLIN, epoll
from typing import TYPE_CHECKING, Final

from prefork.backends.door import ACCEPTS, Door
from prefork.backends.preface import accept
from prefork.backends.socket_link import READ_BYTES, SocketLink
from prefork.backends.tls_link import TlsLink

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from prefork.backends.door import Held
    from prefork.backends.handshake import Handshake
    from prefork.backends.host import Host
    from prefork.backends.preface import Accepted
    from prefork.backends.socket_link import Connection
    from prefork.backends.tether import Tether

MAX_EVENTS: Final = 512
LONGEST_WAIT_NS: Final = 3_600_000_000_000
"""epoll takes 24 days at most; a turn too early is harmless."""
_EXCLUSIVE = EPOLLIN | EPOLLEXCLUSIVE


class EpollLink(SocketLink):
    """A link in the epoll of a worker's turns."""

    __slots__ = ("_turns",)

    def __init__(self, turns: Turns, connection: Connection, peer: object, listener: object) -> None:
        super().__init__(turns.host, turns.epoll, connection, peer, listener)
        self._turns = turns
        turns.links[self.fd] = self

    def _release(self, *, reset: bool) -> None:
        del self._turns.links[self.fd]
        self._turns.door.held.discard(self)
        super()._release(reset=reset)


class TlsEpollLink(TlsLink, EpollLink):
    """The same over TLS."""

    __slots__ = ()


class Turns:
    """One worker's: `start`, then turn after turn until `is_done`, then `stop`; `close` in any case."""

    accepts = ACCEPTS
    """Most accepts a wake-up."""

    def __init__(self, host: Host, tether: Tether, listeners: Sequence[socket.socket]) -> None:
        self.host = host
        self.epoll = epoll()  # by the name of our own import: gevent takes it out of the module
        self.door = Door(host, tether, listeners, self)
        self.links: dict[int, EpollLink | Handshake] = {}
        """Those that this epoll watches, by descriptor."""
        self.now = 0
        """Monotonic ns at which this turn began, or the last one ended."""
        self._tether = tether
        self._others = {tether.channel.fileno(), tether.wakeup_fd, *self.door.listeners}

    @property
    def is_done(self) -> bool:
        """The gate says that there is nothing left to do."""
        return self._tether.gate.done

    def start(self) -> None:
        """Accept from now on; the app and the master know."""
        for fd in (self._tether.channel.fileno(), self._tether.wakeup_fd):
            self.epoll.register(fd, EPOLLIN)
        self.now = time.monotonic_ns()
        self.door.start(self.now)

    def run(self) -> None:
        """Serve, waiting on the epoll itself, until the worker is done; everything is closed afterwards."""
        try:
            self.start()
            while not self.is_done:
                self.turn(self.patience())
            self.stop()
        finally:
            self.close()

    def stop(self) -> None:
        """The last session is over."""
        self.host.stop()

    def close(self) -> None:
        """Close what this opened, and the tether's. Threads may still post; nobody listens any more."""
        self.epoll.close()
        self._tether.close()

    def behind(self) -> int:
        """How much was to be done before these events."""
        return len(self.host.inbox)

    # -- turns ---------------------------------------------------------------------------------------------------------

    def patience(self) -> float:
        """Seconds that the next turn may wait for."""
        if self.host.dirty or self.host.inbox:
            return 0
        wait = min(self._tether.next_at, self.host.timers.next_at, self.now + LONGEST_WAIT_NS) - self.now
        return wait / 1e9 if wait > 0 else 0

    def turn(self, seconds: float) -> None:
        """Wait for so long at most, and serve what there is."""
        self.began(self.epoll.poll(seconds, MAX_EVENTS))
        self.ended()

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

    def accept(self, listener: socket.socket, family: int, /) -> Accepted:
        """Take one connection; a loop may want something else ready before."""
        return accept(listener, family)

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> Held:
        """Serve the connection, over TLS once its handshake is done."""
        tls = self.host.tls_of(listener)
        if tls is None:
            return self.serve(connection, peer, listener)
        from prefork.backends.handshake import Handshake  # noqa: PLC0415 - `ssl` is for who uses it

        return Handshake(self, tls, connection, (peer, listener))

    def serve(self, connection: Connection, peer: object, listener: object, /, *, tls: bool = False) -> Held:
        """Serve the connection in this epoll; a loop may have another way. `tls`: it is a TlsStream, shaken hands."""
        return (TlsEpollLink if tls else EpollLink)(self, connection, peer, listener)

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        """Serve what epoll reported. All that happens for a request is in here and in the link."""
        host, others, find = self.host, self._others, self.links.get
        dirty = host.dirty
        for fd, _ in events:
            if fd in others:
                self._serve_others(events)
                break
        for fd, mask in events:
            link = find(fd)
            if link is None:
                continue
            if mask == EPOLLIN:
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
            door.knock(fd, self.now, busy=len(events) + self.behind())
