"""The door of a worker, for every loop: connections are accepted here, the master is obeyed, a drain is begun.

Theory. The gate says whether the door is open; the loop watches the listeners while it is, and only then. A worker that
was woken and took a connection goes to the end of the listener's queue (its watch is taken off and put on again), so
that the next connection goes to another; where it took two, no other was idle, and it stays. A doorbell also means: a
wake-up may have been swallowed, so one accept is tried. What the loop itself must bring is `Loop`; it calls `start`
once, `knock`, `bell` and `signalled` when a descriptor of theirs is readable, and `obey` whenever `is_due`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Protocol

from prefork.backends.preface import prepare, waited

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from prefork.backends.host import Host
    from prefork.backends.preface import Accepted
    from prefork.backends.tether import Tether

ACCEPTS: Final = 4
"""Most accepts a wake-up. An idle worker takes one, so that the next connection goes to another; a busy one takes as
many as it had events, for then the others are busy too, and fewer turns and registrations serve more.
"""
_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Held(Protocol):
    """A session's connection, as the door knows it: a link, or what stands for one."""

    def open(self, now: int, /) -> None:
        """Make the session."""

    def drain(self, now: int, seconds_left: float, /) -> None:
        """The worker drains."""

    def expire(self) -> None:
        """The drain's deadline is reached."""


class Loop(Protocol):
    """What a door asks of its loop."""

    accepts: int
    """Most accepts a wake-up: ACCEPTS, unless more is gained by more."""

    def watch(self, fd: int, /) -> None:
        """Call `knock` when somebody waits at this listener; where epoll is there, by EPOLLEXCLUSIVE."""

    def unwatch(self, fd: int, /) -> None:
        """No longer."""

    def hang_up(self, fd: int, /) -> None:
        """The channel is about to be closed: stop watching it."""

    def accept(self, listener: socket.socket, family: int, /) -> Accepted:
        """Take one connection, as `preface.accept` does. Raises OSError."""

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> Held:
        """A connection that was admitted, and has its place, is to be served; `open` comes next. Names as socket's."""


class Door:
    """One worker's."""

    def __init__(self, host: Host, tether: Tether, listeners: Sequence[socket.socket], loop: Loop) -> None:
        self.held: set[Held] = set()
        """Whoever is held; the loop takes off what is over."""
        self.listeners = {each.fileno(): (each, int(each.family), each.getsockname()) for each in listeners}
        self.is_open = False
        """The listeners are watched."""
        self._host = host
        self._tether = tether
        self._gate = tether.gate
        self._loop = loop
        self._told = self._expired = False
        for listener in listeners:
            prepare(listener)

    def start(self, now: int) -> None:
        """Tell the app and then the master that this loop can accept."""
        self._host.start()
        self._regate()
        self._tether.ready()
        self.obey(now)

    @property
    def lags(self) -> bool:
        """The gate has changed since it was obeyed: then nobody may wait."""
        return self._gate.open is not self.is_open or self._gate.done

    def is_due(self, now: int) -> bool:
        """There is something to `obey`."""
        gate = self._gate
        return self._tether.next_at <= now or gate.draining or gate.open is not self.is_open

    def obey(self, now: int) -> None:
        """Do what gate and tether ask for beside serving: beat, sweep, drain, deadline, gate."""
        tether, gate = self._tether, self._gate
        if tether.next_at <= now:
            tether.tick(now)
        if gate.sweeping and not self.listeners:
            tether.queue_empty()
        if gate.draining and not self._told:
            self._told = True
            self._host.drain([*self.held], now)
        if tether.drain_by <= now and not self._expired:
            self._expired = True
            tether.deadline_passed()
            for each in [*self.held]:
                each.expire()
        self._regate()

    def bell(self, now: int) -> None:
        """The channel is readable: learn what the master wants, and see whether somebody waits."""
        tether = self._tether
        tether.heard(now)
        if tether.orphaned:
            self._orphaned()
        for fd in [*self.listeners]:
            self._accept(fd, now)

    def knock(self, fd: int, now: int, *, busy: int = 1) -> None:
        """Somebody waits at a listener; `busy`: how many events this turn had."""
        if fd not in self.listeners:
            return
        accepted, most = 0, min(busy, self._loop.accepts)
        while accepted < most and self._accept(fd, now):
            accepted += 1
        if not self._gate.open:
            self._regate()
        elif accepted == 1 and fd in self.listeners:
            self._loop.unwatch(fd)
            self._loop.watch(fd)

    def take(self, new: Held, now: int) -> None:
        """Hold a connection, whose place is taken, from now on."""
        self.held.add(new)
        new.open(now)
        if self._told:
            self._host.drain([new], now)
        elif self._host.dirty:
            self._host.flush()

    def turned_away(self) -> None:
        """One that was held is gone before it was a session."""
        self._tether.connection_refused()
        self._tether.session_closed()

    def _regate(self) -> None:
        is_open = self._gate.open
        if is_open is not self.is_open:
            self.is_open = is_open
            for fd in self.listeners:
                if is_open:
                    self._loop.watch(fd)
                else:
                    self._loop.unwatch(fd)

    def _orphaned(self) -> None:
        """Close what the dead master would still be seen to hold: the channel and the listeners."""
        self._regate()
        channel = self._tether.channel
        if channel.fileno() >= 0:
            self._loop.hang_up(channel.fileno())
            channel.close()
        for listener, _, _ in self.listeners.values():
            listener.close()
        self.listeners = {}

    def _accept(self, fd: int, now: int) -> bool:
        """Take one connection, if the gate allows it; False: nobody waits, or none may be taken."""
        if not self._gate.open:
            return False
        listener, family, name = self.listeners[fd]
        try:
            connection, peer = self._loop.accept(listener, family)
        except BlockingIOError:
            return False
        except OSError as error:
            return self._not_accepted(fd, error, now)
        try:
            wait = waited(connection)
        except OSError:
            admitted = False
        else:
            if wait is not None:
                self._tether.connection_waited(wait)
            admitted = self._host.admits(peer, name)
        if admitted:
            self._tether.session_opened()
            self.take(self._loop.welcome(connection, peer, name), now)
        else:
            connection.close()
            self._tether.connection_refused()
        return True

    def _not_accepted(self, fd: int, error: OSError, now: int) -> bool:
        """Whether the next accept may fare better."""
        if error.errno in _NO_FILES:
            self._tether.out_of_files(now, error)
            return False
        if error.errno == errno.EINVAL:  # the master shut the listener down: nobody will ever wait there again
            if self.is_open:
                self._loop.unwatch(fd)
            self.listeners.pop(fd)[0].close()
            return False
        self._tether.connection_refused()
        return True
