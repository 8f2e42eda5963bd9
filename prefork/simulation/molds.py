"""Molds: they import, and bear workers one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.model import MoldPhase, MoldView
from prefork.simulation.durations import as_ns
from prefork.simulation.house import CRASH

if TYPE_CHECKING:
    from random import Random

    from prefork.simulation.host import Host
    from prefork.simulation.house import House
    from prefork.simulation.scene import Scene
    from prefork.simulation.workers import Worker

_NOBODY = (None, None)
"""How a worker ends whose mold is gone before it was born."""


class Molds:
    """`views` by generation; `at_once`: nothing takes time, nothing fails, as for a pool that was up before the run."""

    def __init__(self, scene: Scene, house: House, host: Host, rng: Random) -> None:
        self.views: dict[int, MoldView] = {}
        self.generation = 0
        """Births belong to it; 0 before the first mold is READY."""
        self.at_once = False
        self._scene = scene
        self._house = house
        self._host = host
        self._rng = rng
        self.spawn_ns = as_ns(host.spawn_time, "spawn_time")
        self._boot_ns = as_ns(host.boot_time, "boot_time")
        self._import_ns = as_ns(host.import_time, "import_time")
        self._free_at = 0
        """When the mold has made whom it was asked for."""

    def start(self, generation: int) -> None:
        """Import; then it is READY."""
        agenda = self._scene.agenda
        self.views[generation] = MoldView(generation, MoldPhase.STARTING, agenda.now)
        agenda.plan(agenda.now + (0 if self.at_once else self._import_ns), self._ready, self.views[generation])

    def end(self, generation: int) -> None:
        """It goes, and whom it has not borne yet will never be."""
        agenda = self._scene.agenda
        self.views[generation] = self.views[generation]._replace(phase=MoldPhase.ENDING, since_at=agenda.now)
        agenda.plan(agenda.now, self._gone, generation)

    def bear(self, worker: Worker) -> None:
        """Make a worker, after those that were asked for before."""
        agenda = self._scene.agenda
        if self.at_once:
            agenda.plan(agenda.now, self._born, worker)
            return
        self._free_at = max(self._free_at, agenda.now) + self.spawn_ns
        agenda.plan(self._free_at, self._born, worker)

    def _ready(self, view: MoldView) -> None:
        if self.views.get(view.generation) == view:
            now = self._scene.agenda.now
            self.views[view.generation] = view._replace(phase=MoldPhase.READY, since_at=now)
            self.generation = max(self.generation, view.generation)
            self._scene.looks.call()

    def _gone(self, generation: int) -> None:
        del self.views[generation]
        self._free_at = 0
        for worker in [*self._house.workers.values()]:
            if worker.birth.generation == generation and not worker.born:
                self._house.reap(worker, _NOBODY)
        self._scene.looks.call()

    def _born(self, worker: Worker) -> None:
        if worker.gone:
            return
        agenda = self._scene.agenda
        worker.is_born(agenda.now)
        if self.at_once:
            self._house.becomes_ready(worker)
        else:
            self._next(worker.birth.generation)
            self._scene.looks.call()
            agenda.plan(agenda.now + self._boot_ns, self._booted, worker)

    def _next(self, generation: int) -> None:
        """Whoever is still to be borne no longer waits for this birth."""
        for worker in self._house.workers.values():
            if not worker.born and worker.birth.generation == generation:
                worker.has_its_turn(self._scene.agenda.now)

    def _booted(self, worker: Worker) -> None:
        fate, host = self._rng.random(), self._host
        if worker.gone or host.boot_failures <= fate < host.boot_failures + host.boot_hangs:
            return
        if fate < host.boot_failures:
            self._house.reap(worker, CRASH)
        else:
            self._house.becomes_ready(worker)
