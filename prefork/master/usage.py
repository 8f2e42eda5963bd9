"""How much of its workers a pool uses, where sessions have no cap: what sizing by busy loops is told.

Theory. A worker is used up by the scarcest of what it has. Its loop: time spent in turns, blocked ones included, but
not the time in which it was ready to run and had no CPU: another worker would not have had one either, and a pool that
took that for load would grow because it has grown. Its process: CPU time, since sessions may run outside of the loop's
turns (threads, greenlets, tasks of a foreign loop), at most as much as one loop has. Its loop's own limit of sessions,
such as `max_threads`. What all of these grew by is compared, not what they came to: who computed yesterday may block
today. The pool's total, in ns, never falls; who is gone has left his part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork import wire
from prefork.master.totals import totals_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.master.kernel import Kernel
    from prefork.policy.model import WorkerId

GAP_NS = 100_000_000
"""Between two looks at a pool's processes: looks may follow one another by a few ms, and rates are over a second."""


class _Seen(NamedTuple):
    """What one worker had used up when it was looked at; ns, but for `places`."""

    at: int
    busy: int
    starved: int
    cpu: int
    held: int
    places: int

    def used_since(self, before: _Seen) -> int:
        """The most that any of it grew by; 0 to the time that has passed."""
        loop = (self.busy - before.busy) - (self.starved - before.starved)
        places = (self.held - before.held) // self.places if self.places else 0
        return max(0, min(max(loop, self.cpu - before.cpu, places), self.at - before.at))


class Usage:
    """Of one pool. `learn` goes on from what it saw last."""

    def __init__(self) -> None:
        self.total_ns = 0
        self._looked_at: int | None = None
        self._workers: dict[WorkerId, _Seen] = {}
        self._used: dict[WorkerId, int] = {}

    def learn(self, kernel: Kernel, slots: Mapping[WorkerId, list[int]], now: int) -> int:
        """Look at the workers whose slots these are, unless one just did; return the total."""
        if self._looked_at is not None and now - self._looked_at < GAP_NS:
            return self.total_ns
        self._looked_at = now
        seen = {worker: _look(kernel, worker, words, now) for worker, words in slots.items() if words[wire.HEARTBEAT]}
        grown = {worker: one.used_since(self._workers.get(worker, one)) for worker, one in seen.items()}
        self._used = {worker: self._used.get(worker, 0) + grown[worker] for worker in seen}
        self._workers = seen
        self.total_ns += sum(grown.values())
        return self.total_ns

    def rest(self, total_ns: int) -> None:
        """Nobody looks for a while; somebody else's total is told instead, and is not to fall afterwards."""
        self.total_ns = max(self.total_ns, total_ns)
        self._looked_at = None
        self._workers, self._used = {}, {}

    def of(self, worker: WorkerId) -> int | None:
        """What the worker used since it was seen first; None: it wasn't seen."""
        return self._used.get(worker)


def _look(kernel: Kernel, worker: WorkerId, words: list[int], now: int) -> _Seen:
    used = totals_at([words], now)
    cpu, starved = kernel.cpu(worker) or 0, kernel.starved(worker) or 0
    return _Seen(now, used.busy_ns, starved, cpu, used.held_ns, words[wire.PLACES])
