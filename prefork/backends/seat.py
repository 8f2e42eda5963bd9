"""A session in a thread of its own, or in what is like one; a serving loop accepts and obeys. For loops that may block.

Theory. The serving loop has listeners, channel and signals alone: it accepts, beats, and it alone writes the slot. Each
session has a *seat*: a host of its own, whose small loop runs in a thread that nobody else has meanwhile. It waits in
recv where only the peer can have something to say (`recv_link`), else in a poll, with an eventfd by which others wake
who sits there. So nothing of a session is touched by two threads: what others have to say to it is posted to its seat,
and what it has to say to the worker is posted to the serving loop. A seat is one session's at a time; it is made before
the accept, so that who is out of descriptors, or of threads, accepts nobody. The *crew* is who sits there: threads,
greenlets.
"""

from __future__ import annotations

import os
import time
from math import ceil
from select import POLLIN
from typing import TYPE_CHECKING, Final

from prefork.backends.crew import CrewTurns, leave
from prefork.backends.host import Host
from prefork.backends.posted_link import PostedLink, TlsPostedLink
from prefork.backends.preface import accept
from prefork.backends.recv_link import PatientSocket, RecvLink, let_interrupt
from prefork.backends.timers import NEVER

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from prefork.backends.crew import Crew
    from prefork.backends.gate import Gate
    from prefork.backends.preface import Accepted
    from prefork.backends.socket_link import Connection
    from prefork.backends.tether import Tether, WorkerSettings

LONGEST_WAIT_MS: Final = 3_600_000
"""poll takes 24 days at most; a turn too early is harmless."""


class SeatTurns(CrewTurns):
    """The serving loop: sessions get a seat instead of a place in its epoll."""

    def __init__(self, host: Host, tether: Tether, listeners: Sequence[socket.socket], crew: Crew) -> None:
        super().__init__(host, tether, listeners, crew)
        self.seats: list[Seat] = []
        """Those that are free."""
        self._unseated = 0
        """Of the crew, who were hired for a seat that is gone."""

    def start(self) -> None:
        """Accept from now on; the app's `started` has had its say about signals."""
        super().start()
        if self.crew.blocks:
            let_interrupt()

    def accept(self, listener: socket.socket, family: int, /) -> Accepted:
        """Take a connection, if there is a seat for it; those in this epoll, which shake hands, have theirs to come.

        One made for a connection that isn't had goes again, for its descriptor may be the one that is missing: the seat
        of a session that is just ending comes back later than its connection's descriptor.
        """
        if fresh := len(self.seats) <= len(self.links):
            self.seats.append(Seat(self, hires=not self._unseated))
            self._unseated = max(0, self._unseated - 1)
        try:
            if self.crew.blocks:
                return accept(listener, family, PatientSocket, blocks=True)
            return super().accept(listener, family)
        except BlockingIOError:
            raise
        except OSError:
            if fresh:
                self.seats.pop().close()
                self._unseated += 1
            raise

    def serve(self, connection: Connection, peer: object, listener: object, /, *, tls: bool = False) -> Seat:
        """A seat for the connection."""
        seat = self.seats.pop()
        plain = RecvLink if self.crew.blocks else PostedLink
        seat.take(TlsPostedLink if tls else plain, connection, (peer, listener))
        return seat


class Seat:
    """One session's at a time. `open`, `drain` and `expire` are called by the serving loop.

    It is the tether of its own host.
    """

    _link: PostedLink

    def __init__(self, turns: SeatTurns, *, hires: bool = True) -> None:
        """`hires`: somebody more, to sit here. Raises OSError when no descriptor is free, or nobody more."""
        self._turns = turns
        self._tether: Tether = turns.tether
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            if hires:
                turns.crew.hire()
        except OSError:
            os.close(self._bell)
            raise
        self._poller = turns.crew.poller()
        self._poller.register(self._bell, POLLIN)
        self._host = Host(turns.host.app, self)
        self._host.offloads = turns.host.offloads

    def close(self) -> None:
        """Give its descriptor back; nobody sits here."""
        os.close(self._bell)

    # -- for the serving loop ------------------------------------------------------------------------------------------

    def take(self, kind: type[PostedLink], connection: Connection, names: tuple[object, object]) -> None:
        """Be the seat of that connection's session, until it is over. `names`: peer and listener."""
        self._link = kind(self._host, self._poller, connection, names, self._turns.crew.ident)

    def open(self, _now: int, /) -> None:
        """Give the session to a thread, when this turn is over."""
        self._turns.fresh.append(self._live)

    def drain(self, _now: int, seconds_left: float, /) -> None:
        """Tell the session that the worker drains."""
        self._host.post(self._drain, self._link, seconds_left)

    def expire(self) -> None:
        """Tell the session that the drain's deadline is reached."""
        self._host.post(self._link.expire)

    def _over(self) -> None:
        """The thread has left the seat for good: it is posted last."""
        self._turns.door.held.discard(self)
        self._turns.seats.append(self)
        self._tether.session_closed()

    # -- in the session's thread ---------------------------------------------------------------------------------------

    def _live(self) -> None:
        """Serve the session to its end."""
        link = self._link
        try:
            link.sit()
            link.open(time.monotonic_ns())
            self._serve(link)
        except BaseException as error:  # noqa: BLE001 - SystemExit, say: it ends the worker
            self._turns.host.post(leave, error)
        else:
            self._turns.host.post(self._over)

    def _serve(self, link: PostedLink) -> None:
        """Turn after turn, until the session is over."""
        host, poll, clock, bell = self._host, self._poller.poll, time.monotonic_ns, self._bell
        while True:
            now = clock()
            host.turn(now)
            if link.is_over:
                return
            if link.listen():
                continue
            for fd, mask in poll(_patience(host, now)):
                if fd == bell:
                    os.eventfd_read(bell)
                else:
                    link.event(mask)

    def _drain(self, link: PostedLink, seconds_left: float) -> None:
        link.drain(time.monotonic_ns(), seconds_left)

    # -- as a tether ---------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> WorkerSettings:
        """The worker's."""
        return self._tether.settings

    @property
    def gate(self) -> Gate:
        """The worker's, to look at."""
        return self._tether.gate

    @property
    def drain_by(self) -> int:
        """The worker's."""
        return self._tether.drain_by

    def session_failed(self) -> None:
        """Have it counted."""
        self._turns.host.post(self._tether.session_failed)

    def session_closed(self) -> None:
        """The place is given back when the thread has left its seat."""

    def request(self, act: str, owner: str) -> None:
        """Have it asked."""
        self._turns.host.post(self._tether.request, act, owner)

    def wake(self) -> None:
        """Make the session's loop turn."""
        if not self._link.interrupt():
            os.eventfd_write(self._bell, 1)


def _patience(host: Host, now: int) -> int | None:
    """Milliseconds to wait for; None: for an event."""
    if host.dirty:
        return 0
    if host.timers.next_at == NEVER:
        return None
    return min(LONGEST_WAIT_MS, max(0, ceil((host.timers.next_at - now) / 1e6)))
