"""The loops of the workers: how busy their sessions keep them, and how long sessions last on a loop that has too much.

Theory. A session keeps its worker's loop busy for a share of its time. While the shares of a worker's sessions add up
to less than one loop, nobody notices; beyond that the loop is busy all the time and its sessions share it evenly, each
so much slower (processor sharing: an M/G/1-PS queue where the share is 1). So a worker's sessions live by a clock of
its own, which runs at full speed or at 1 / (sessions * share), and a session ends when that clock has gone on by its
length. All are integers: what is rounded is at most 1 ns for each change of speed. A loop that hangs is busy, as one
that stands in a callback is.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from prefork.policy.limits import PPM
from prefork.simulation.agenda import ORIGIN
from prefork.simulation.durations import NEVER
from prefork.simulation.measures import Level

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.policy.model import WorkerId
    from prefork.simulation.agenda import Agenda
    from prefork.simulation.workers import Worker


class Loops:
    """Those of a pool; `ended` is called with the worker of a session that is over."""

    def __init__(self, agenda: Agenda, share_ppm: int) -> None:
        self.ended: Callable[[Worker], None] = _nobody_listens
        self._agenda = agenda
        self._share = share_ppm
        self._level = Level(ORIGIN)
        """Loops that are busy, in 1/PPM."""
        self._shares: dict[WorkerId, int] = {}
        """Of those that are busy at all."""
        self._clocks: dict[WorkerId, _Clock] = {}

    def busy_ns(self, now: int) -> int:
        """The time for which all loops were busy, added up."""
        return self._level.area_at(now) // PPM

    def opens(self, worker: Worker, length: int) -> None:
        """One of the worker's sessions, which it counts already, lasts so long, if the loop keeps up."""
        agenda = self._agenda
        if worker.places * self._share <= PPM:  # its loop always keeps up
            agenda.plan(agenda.now + length, self.ended, worker)
        else:
            clock = self._clocks.get(worker.id)
            if clock is None:
                clock = self._clocks[worker.id] = _Clock(agenda.now)
            self._advance(clock)
            heappush(clock.ends, clock.told + length)
            self._plan(worker, clock)
        self._weigh(worker, worker.sessions * self._share)

    def closes(self, worker: Worker) -> None:
        """One of the worker's sessions is over."""
        self._weigh(worker, worker.sessions * self._share)

    def hangs(self, worker: Worker) -> None:
        """It turns no more: nobody's session goes on."""
        self._clocks.pop(worker.id, None)
        self._weigh(worker, PPM)

    def empties(self, worker: Worker) -> None:
        """All of its sessions were cut off."""
        self._clocks.pop(worker.id, None)
        self._weigh(worker, 0)

    def _weigh(self, worker: Worker, ppm: int) -> None:
        share, before = min(ppm, PPM), self._shares.get(worker.id, 0)
        if share == before:
            return
        self._level.change(share - before, self._agenda.now)
        if share:
            self._shares[worker.id] = share
        else:
            del self._shares[worker.id]

    def _load(self, clock: _Clock) -> int:
        """What the sessions ask of the loop, in 1/PPM of it; at least all of it: a clock is never fast."""
        return max(PPM, len(clock.ends) * self._share)

    def _advance(self, clock: _Clock) -> None:
        now = self._agenda.now
        clock.told += (now - clock.at) * PPM // self._load(clock)
        clock.at = now

    def _plan(self, worker: Worker, clock: _Clock) -> None:
        """Plan the earliest end; one that was planned too early will find out by itself."""
        if clock.ends:
            due = clock.at + -(-(clock.ends[0] - clock.told) * self._load(clock) // PPM)
            if due < clock.due:
                clock.due = due
                self._agenda.plan(due, self._due, (worker, clock, due))

    def _due(self, what: tuple[Worker, _Clock, int]) -> None:
        worker, clock, due = what
        if self._clocks.get(worker.id) is not clock or due != clock.due:
            return
        clock.due = NEVER
        self._advance(clock)
        over = 0
        while clock.ends and clock.ends[0] <= clock.told:
            heappop(clock.ends)
            over += 1
        for _ in range(over):
            self.ended(worker)
        self._plan(worker, clock)


class _Clock:
    """What one worker's sessions live by."""

    __slots__ = ("at", "due", "ends", "told")

    def __init__(self, now: int) -> None:
        self.told = 0
        """What it says, in ns, as of `at`."""
        self.at = now
        self.ends: list[int] = []
        """What it will say when sessions end: a heap."""
        self.due = NEVER
        """The earliest end that is planned."""


def _nobody_listens(_worker: Worker) -> None:
    raise AssertionError("bug: loops without a listener")
