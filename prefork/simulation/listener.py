"""The accept queue, and who takes from it: the hot path of a run.

Theory. Accepting workers stand in a line, as they do on the listener's wait queue with EPOLLEXCLUSIVE: a connection
wakes the first, which goes to the end of the line if it has a place left, and out of it if not; whoever accepts again
joins at the end. A connection that finds nobody in line waits, oldest first; one that finds the queue full is refused.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.policy.model import WorkerId
    from prefork.simulation.agenda import Agenda
    from prefork.simulation.looks import Looks
    from prefork.simulation.loops import Loops
    from prefork.simulation.tally import Tally
    from prefork.simulation.workers import Worker


class Listener:
    """`waiting` holds (arrival in ns, length); `line` the workers that accept, in the order in which they are woken."""

    def __init__(self, agenda: Agenda, looks: Looks, loops: Loops, tally: Tally, backlog: int) -> None:
        self.waiting: deque[tuple[int, int]] = deque()
        self.line: OrderedDict[WorkerId, Worker] = OrderedDict()
        self.leave: Callable[[Worker], None] = _nobody_leaves
        """What a worker does that is done."""
        self._agenda = agenda
        self._looks = looks
        self._loops = loops
        self._tally = tally
        self._backlog = backlog
        self._closed = False
        loops.ended = self._ended

    def arrive(self, length: int) -> None:
        """A connection comes."""
        tally = self._tally
        tally.arrivals += 1
        if self.line:
            tally.at_once += 1
            self._open(self.line.popitem(last=False)[1], length)
        elif len(self.waiting) < self._backlog:
            now = self._agenda.now
            self.waiting.append((now, length))
            tally.queue.change(1, now)
            self._looks.wait()
        else:
            tally.refused += 1

    def settle(self, worker: Worker) -> None:
        """The worker may accept more, or less, than a moment ago."""
        while self.waiting and worker.accepts:
            self._take(worker)
        if self._closed or not worker.accepts:
            self.line.pop(worker.id, None)
        elif worker.id not in self.line:
            self.line[worker.id] = worker
        if worker.is_done:
            self.leave(worker)

    def close(self) -> None:
        """Nobody is accepted any more: who waits is refused, and whoever comes."""
        now, count = self._agenda.now, len(self.waiting)
        self._backlog, self._closed = 0, True
        self._tally.refused += count
        self._tally.queue.change(-count, now)
        self.waiting.clear()
        self.line.clear()

    def _take(self, worker: Worker) -> None:
        now = self._agenda.now
        came_at, length = self.waiting.popleft()
        self._tally.queue.change(-1, now)
        self._tally.waited(now - came_at)
        self.line.pop(worker.id, None)
        self._open(worker, length)

    def _open(self, worker: Worker, length: int) -> None:
        """The worker, which isn't in line, takes a connection."""
        worker.opens()
        self._tally.sessions.change(1, self._agenda.now)
        self._loops.opens(worker, length)
        if worker.accepts:
            self.line[worker.id] = worker
        self._looks.ring(worker)
        if worker.left <= 0:
            self._looks.call()

    def _ended(self, worker: Worker) -> None:
        """A session is over, unless its worker hangs or is gone."""
        if worker.gone or worker.hung_at is not None or not worker.sessions:
            return
        now = self._agenda.now
        worker.closes(now)
        self._loops.closes(worker)
        self._tally.served += 1
        self._tally.sessions.change(-1, now)
        if self.waiting or worker.id not in self.line:
            self.settle(worker)


def _nobody_leaves(_worker: Worker) -> None:
    raise AssertionError("bug: a listener without a house")
