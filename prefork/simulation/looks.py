"""When the master looks: as the real one does, at facts and when its plan asks for it, never by a tick.

Theory. Three things wake a sleeping master beside READY, exits and answers: the instant that its plan asked for; a bell
of a worker whose sessions rose, at most one each 50 ms and worker; and the listener watch, which fires at once when
somebody must wait, then each 5 ms while somebody does, or once a second while nobody may accept and nobody is coming. A
look sees everything: bells and queues from before it call for no look of their own.

One liberty is taken: a bell of a pool that holds no more sessions than the last look saw is no bad news, and is heard
`lull` after that look. Looks are most of what a run costs, and of a steady load most bells are of this kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.simulation.durations import NEVER

if TYPE_CHECKING:
    from prefork.simulation.agenda import Agenda
    from prefork.simulation.measures import Level
    from prefork.simulation.workers import Worker

RING_NS = 50_000_000
"""As `backends.tether` rings."""
GAP_NS = 5_000_000
LONG_GAP_NS = 1_000_000_000
"""As `master.watch` looks."""


class Looks:
    """`at` is the instant of the next one."""

    __slots__ = ("_agenda", "_done_at", "_lull_ns", "_seen", "_sessions", "_watch_at", "at", "count")

    def __init__(self, agenda: Agenda, sessions: Level, lull_ns: int) -> None:
        self._agenda = agenda
        self._sessions = sessions
        self._lull_ns = lull_ns
        self._seen = 0
        """Sessions at the last look."""
        self._done_at = self._watch_at = 0
        self.at = agenda.now
        self.count = 0

    def call(self) -> None:
        """A fact came: look now."""
        self.at = min(self.at, self._agenda.now)

    def ring(self, worker: Worker) -> None:
        """A worker's sessions rose."""
        now, due = self._agenda.now, worker.rung_at
        if due <= now:  # it has rung
            due = worker.rung_at = max(now, due + RING_NS)
        if self._sessions.value <= self._seen:
            due = max(due, self._done_at + self._lull_ns)
        self.at = min(self.at, due)

    def wait(self) -> None:
        """Somebody joined the accept queue."""
        self.at = min(self.at, max(self._agenda.now, self._watch_at))

    def done(self, next_check_at: int | None, *, waiting: bool, in_vain: bool) -> None:
        """A look is over; `in_vain`: nobody may accept, and nobody is coming who will."""
        self.count += 1
        self._done_at = now = self._agenda.now
        self._seen = self._sessions.value
        self.at = NEVER if next_check_at is None else max(next_check_at, now + 1)
        if waiting:
            self._watch_at = now + (LONG_GAP_NS if in_vain else GAP_NS)
            self.at = min(self.at, self._watch_at)
