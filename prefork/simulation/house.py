"""The processes of a pool: workers that live, obey and end. Instants in ns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.model import Kill, KillStep
from prefork.simulation.durations import as_ns

if TYPE_CHECKING:
    from prefork.policy.model import Drain, ExitView, Pause, Resume, Retire, WorkerId
    from prefork.simulation.host import Host
    from prefork.simulation.scene import Scene
    from prefork.simulation.workers import Worker

SIGABRT, SIGKILL = 6, 9
DELIBERATE = (0, None)
CRASH = (1, None)
"""Exit code, signal."""


class House:
    """Who lives: `workers` by id, oldest first; `exits` that no look has seen yet."""

    def __init__(self, scene: Scene, host: Host) -> None:
        self.workers: dict[WorkerId, Worker] = {}
        self.exits: list[ExitView] = []
        self._scene = scene
        self._order_ns = as_ns(host.order_delay, "order_delay")
        self._exit_ns = as_ns(host.exit_time, "exit_time")
        self._exits_seen = 0
        scene.listener.leave = self._leave

    def enters(self, worker: Worker) -> None:
        """A birth was ordered: from now on it counts."""
        self.workers[worker.id] = worker
        self._scene.tally.lives(1, self._scene.agenda.now)

    def becomes_ready(self, worker: Worker) -> None:
        """Its loop can accept; it acts on what was wanted meanwhile."""
        worker.becomes_ready(self._scene.agenda.now)
        self._scene.looks.call()
        self._act(worker)

    def order(self, decision: Pause | Resume | Retire | Drain | Kill) -> None:
        """Tell a worker. A kill's first step prints stacks, which ends nobody."""
        agenda, worker = self._scene.agenda, self.workers[decision.worker]
        worker.obey(decision, agenda.now)
        if not isinstance(decision, Kill):
            agenda.plan(agenda.now + self._order_ns, self._act, worker)
        elif decision.step is not KillStep.DUMP:
            signal = SIGABRT if decision.step is KillStep.ABORT else SIGKILL
            agenda.plan(agenda.now, self._killed, (worker, signal))

    def hang(self, worker: Worker) -> None:
        """Its loop turns no more; what it would accept is handed on by the listener watch."""
        worker.hangs(self._scene.agenda.now)
        self._scene.loops.hangs(worker)
        self._scene.listener.settle(worker)

    def reap(self, worker: Worker, how: tuple[int | None, int | None]) -> None:
        """It ended, with what it held; `how`: exit code, signal."""
        if worker.gone:
            return
        agenda, looks, _, listener, _ = self._scene
        self._cut_off(worker)
        worker.gone = True
        listener.settle(worker)
        del self.workers[worker.id]
        self._exits_seen += 1
        self.exits.append(worker.exit(self._exits_seen, agenda.now, how))
        self._scene.tally.lives(-1, agenda.now)
        looks.call()

    def _act(self, worker: Worker) -> None:
        if worker.gone or worker.ready_at is None or worker.hung_at is not None:
            return
        agenda, looks, _, listener, _ = self._scene
        if not worker.act():
            looks.call()
        if worker.drain_by is not None:
            agenda.plan(worker.drain_by, self._overstays, worker)
        listener.settle(worker)

    def _overstays(self, worker: Worker) -> None:
        """Its drain's deadline has come: its own loop cuts off who is left."""
        if not worker.gone and worker.hung_at is None:
            self._cut_off(worker)
            self._scene.listener.settle(worker)

    def _cut_off(self, worker: Worker) -> None:
        tally, now = self._scene.tally, self._scene.agenda.now
        lost = worker.loses_all(now) if worker.sessions else 0
        tally.lost += lost
        self._scene.loops.empties(worker)
        tally.sessions.change(-lost, now)

    def _leave(self, worker: Worker) -> None:
        agenda, _, tally, _, _ = self._scene
        worker.exiting = True
        tally.ended(worker.ordered, agenda.now)
        agenda.plan(agenda.now + self._exit_ns, self._exits, worker)

    def _exits(self, worker: Worker) -> None:
        self.reap(worker, DELIBERATE)

    def _killed(self, victim: tuple[Worker, int]) -> None:
        worker, signal = victim
        self.reap(worker, (None, signal))
