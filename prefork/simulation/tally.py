"""What is counted while a run goes on; flat in memory, but for the steps and the decisions."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.model import Reason, Spawn
from prefork.policy.units import NS
from prefork.simulation.agenda import ORIGIN
from prefork.simulation.measures import Histogram, Level, Steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.policy.model import Decision, WorkerId

FLAP_NS = 30 * NS
"""A birth within so long of an end that it undoes is a flap."""
MOST_DECISIONS = 200_000
"""Kept one by one; further ones are only counted."""
_SMALLER = (Reason.SURPLUS, Reason.MAX_IDLE)


class Decided(NamedTuple):
    """One decision of a run."""

    at: float
    """Seconds since the start of the traffic."""
    decision: Decision
    worker: WorkerId | None
    """The newcomer of a Spawn."""


class Sample(NamedTuple):
    """One of the equal parts of a run: means, its end (s), and the waits (s) of those who were accepted in it."""

    at: float
    workers: float
    sessions: float
    queue: float
    longest_queue: int
    arrivals: int
    p99_wait: float
    longest_wait: float


class Tally:
    """Counters and levels, from the start of the traffic."""

    __slots__ = (
        "_areas",
        "_ends",
        "_part",
        "_sampled",
        "_sampled_at",
        "arrivals",
        "at_once",
        "decided",
        "decisions",
        "flaps",
        "live",
        "lost",
        "queue",
        "refused",
        "samples",
        "served",
        "sessions",
        "sized_at",
        "waits",
        "workers",
    )

    def __init__(self) -> None:
        self.arrivals = self.at_once = self.served = self.refused = self.lost = self.flaps = self.decided = 0
        self.sessions, self.queue, self.live = Level(ORIGIN), Level(ORIGIN), Level(ORIGIN)
        self.waits = Histogram()
        """Of those who had to wait."""
        self.workers = Steps()
        self.decisions: list[Decided] = []
        self.sized_at: int | None = None
        """The last decision that changed how many workers there are, or may accept."""
        self.samples: list[Sample] = []
        self._ends: deque[int] = deque()
        """Of workers that were too many, not yet undone; oldest first."""
        self._areas = (0, 0, 0)
        self._part = Histogram()
        """Waits of the part that isn't closed."""
        self._sampled = (0, 0)
        """`arrivals` and `at_once` when a part was closed last."""
        self._sampled_at = ORIGIN

    def lives(self, by: int, now: int) -> None:
        """So many processes more."""
        self.live.change(by, now)
        self.workers.put(now - ORIGIN, self.live.value)

    def waited(self, ns: int) -> None:
        """Somebody who had to wait is accepted."""
        self.waits.add(ns)
        self._part.add(ns)

    def performed(self, decision: Decision, now: int, worker: WorkerId | None) -> None:
        """A decision was carried out."""
        self.decided += 1
        if len(self.decisions) < MOST_DECISIONS:
            self.decisions.append(Decided((now - ORIGIN) / NS, decision, worker))
        if decision.kind in ("pause", "resume") or decision.because.reason in _SMALLER:
            self.sized_at = now
        if isinstance(decision, Spawn) and decision.replaces is None:
            self.sized_at = now
            self._spawned(now)

    def ended(self, reason: Reason | None, now: int) -> None:
        """A worker goes because of `reason`."""
        if reason in _SMALLER:
            self._ends.append(now)

    def _spawned(self, now: int) -> None:
        """Each birth undoes one end at most."""
        while self._ends and self._ends[0] < now - FLAP_NS:
            self._ends.popleft()
        if self._ends:
            self._ends.popleft()
            self.flaps += 1

    def sample(self, now: int) -> None:
        """Close a part of the run."""
        span = max(1, now - self._sampled_at)
        areas = (self.live.area_at(now), self.sessions.area_at(now), self.queue.area_at(now))
        workers, sessions, queue = [(after - before) / span for before, after in zip(self._areas, areas, strict=True)]
        arrivals, at_once = self._sampled
        part, self._part = self._part, Histogram()
        part.add(0, self.at_once - at_once)
        waits = (part.quantile(0.99) / NS, part.longest / NS)
        most = self.queue.most_since_asked()
        at = (now - ORIGIN) / NS
        self.samples.append(Sample(at, workers, sessions, queue, most, self.arrivals - arrivals, *waits))
        self._areas, self._sampled_at = areas, now
        self._sampled = self.arrivals, self.at_once

    def end(self, waiting: Iterable[tuple[int, int]], now: int) -> None:
        """The run is over: who still waits (arrival, length) has waited until now, and levels stand."""
        for came_at, _ in waiting:
            self.waited(now - came_at)
        self.waits.add(0, self.at_once)
        self.sample(now)
        for level in (self.sessions, self.queue, self.live):
            level.change(0, now)
