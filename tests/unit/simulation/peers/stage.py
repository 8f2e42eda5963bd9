"""A pool that a test moves by hand, second by second, before a peer: who is busy, who waits, how much was worked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.policy.config import PoolConfig
from prefork.policy.model import Drain, MoldPhase, MoldView, Phase, PoolView, Retire, Spawn, WorkerId, WorkerView

if TYPE_CHECKING:
    from prefork.simulation.peers import Peer
    from prefork.simulation.peers.frame import PeerPlan

S = 1_000_000_000
ORIGIN = 1000 * S


class Stage:
    """Workers count from 1; those that begin() orders serve at once, later ones when `ready` says so."""

    def __init__(self, peer: Peer[Any], places: int = 1, most: int = 20) -> None:
        self.config = PoolConfig.model_validate({"min_workers": 2, "max_workers": most, "max_sessions": places})
        self.peer = peer
        self.now = 0.0
        self.queue = self.arrivals = self.worked = 0
        self.workers: dict[int, WorkerView] = {}
        self.memory: object = None
        self.wake: int | None = None
        self._born = 0
        self.started = self.look(0)[0]
        self.ready()

    def look(self, at: float) -> tuple[int, list[int]]:
        """Let the peer look; return how many it bears, and whom it lets go. Who goes is gone."""
        self.now = at
        plan: PeerPlan = self.peer(self.config, self.view(), self.memory)
        self.memory, self.wake = plan.memory, plan.next_check_at
        born, gone = 0, []
        for decision in plan.decisions:
            if isinstance(decision, Spawn):
                born += 1
                self._bear()
            else:
                assert isinstance(decision, Retire | Drain)
                assert isinstance(decision, Drain) == bool(self.workers[decision.worker].sessions)
                gone.append(int(decision.worker))
                del self.workers[decision.worker]
        return born, gone

    def ticks(self, first: int, last: int) -> dict[int, tuple[int, list[int]]]:
        """Look each second; return what was said, by the second, where something was."""
        said = {at: self.look(at) for at in range(first, last + 1)}
        return {at: it for at, it in said.items() if it != (0, [])}

    def ready(self) -> None:
        """Whoever boots serves, and is idle since now."""
        for name, one in self.workers.items():
            if one.phase is Phase.BOOTING:
                at = round(ORIGIN + self.now * S)
                self.workers[name] = one._replace(phase=Phase.SERVING, ready_at=at, idle_since=at)

    def busy(self, count: int) -> None:
        """The oldest `count` of the workers that serve hold a session each, the others are idle since now."""
        serving = [one for one in self.workers.values() if one.phase is Phase.SERVING]
        for index, one in enumerate(serving):
            since = None if index < count else round(ORIGIN + self.now * S) if one.sessions else one.idle_since
            self.workers[one.id] = one._replace(sessions=int(index < count), idle_since=since)

    def come(self, waiting: int = 0, served: int = 0) -> None:
        """So many more connections came, and wait or are served."""
        self.queue += waiting
        self.arrivals += served

    def view(self) -> PoolView:
        """The pool now."""
        return PoolView(
            round(ORIGIN + self.now * S),
            1,
            1,
            tuple(self.workers.values()),
            (MoldView(1, MoldPhase.READY, ORIGIN),),
            queue=self.queue,
            arrivals=self.arrivals,
            held_ns=self.worked,
        )

    def _bear(self) -> None:
        self._born += 1
        forked = round(ORIGIN + self.now * S)
        self.workers[self._born] = WorkerView(WorkerId(self._born), 1, Phase.BOOTING, forked)
