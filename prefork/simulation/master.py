"""The master of a run: it shows the pool to decide(), and performs what that says.

Theory. A command given is a fact remembered: what is performed is in the view at once, what it brings about happens
later, from the agenda. So a look at the same instant again would say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from prefork.policy.jitter import served_limit
from prefork.policy.limits import Limits
from prefork.policy.memory import Memory
from prefork.policy.model import EndMold, GiveUp, Phase, PoolView, Spawn, StartMold, WorkerId
from prefork.simulation.workers import UNLIMITED, Birth, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.policy.config import PoolConfig
    from prefork.policy.model import Decision
    from prefork.simulation.house import House
    from prefork.simulation.molds import Molds
    from prefork.simulation.scene import Scene

    Decide = Callable[[PoolConfig, PoolView, Any], "Planned"]


class Planned(Protocol):
    """What a look comes to. `memory` is the policy's own, and its next look's; the first look gets an empty Memory."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """In the order in which to perform them."""

    @property
    def next_check_at(self) -> int | None:
        """When to look again at the latest."""

    @property
    def memory(self) -> Any:  # noqa: ANN401 - the policy's own
        """For the next look."""


class Policy:
    """A config, the decide() that reads it, and the seed of its jitter."""

    def __init__(self, config: PoolConfig, decide: Decide, seed: int) -> None:
        self.config = config
        self.decide = decide
        self.seed = seed
        self.limits = Limits.of(config)


class Master:
    """Looks when it is told to."""

    def __init__(self, policy: Policy, scene: Scene, house: House, molds: Molds) -> None:
        self.memory: Any = Memory()
        self._policy = policy
        self._scene = scene
        self._house = house
        self._molds = molds
        self._births = 0
        self._stop_at: int | None = None
        self._beat_at = 0
        """When views must be made anew, for the loops have beaten."""

    def look(self) -> Planned:
        """View, decide, perform; then know when to look again."""
        policy, house, listener = self._policy, self._house, self._scene.listener
        view = self.view()
        house.exits.clear()
        plan = policy.decide(policy.config, view, self.memory)
        self.memory = plan.memory
        for decision in plan.decisions:
            self._scene.tally.performed(decision, view.now, self._perform(decision))
        waiting = bool(listener.waiting)
        in_vain = waiting and not (listener.line or plan.decisions or self._boots())
        self._scene.looks.done(plan.next_check_at, waiting=waiting, in_vain=in_vain)
        return plan

    def view(self) -> PoolView:
        """The pool at this instant; by position, in the order of PoolView."""
        now, house = self._scene.agenda.now, self._house
        if now >= self._beat_at:
            self._beat_at = now + self._policy.limits.heartbeat_interval_ns
            for worker in house.workers.values():
                worker.beat()
        tally = self._scene.tally
        over, held = tally.served + tally.lost, tally.sessions
        return PoolView(
            now,
            self._policy.seed,
            self._molds.generation,
            tuple([worker.view(now) for worker in house.workers.values()]),
            tuple(self._molds.views.values()),
            tuple(house.exits),
            len(self._scene.listener.waiting),
            self._stop_at,
            self._stop_at,
            arrivals=over + held.value,
            completions=over,
            held_ns=held.area_at(now),
            busy_ns=self._scene.loops.busy_ns(now),
            spawn_ns=self._molds.spawn_ns,
        )

    def _boots(self) -> bool:
        return any(worker.phase is Phase.BOOTING for worker in self._house.workers.values())

    def _perform(self, decision: Decision) -> WorkerId | None:
        match decision:
            case Spawn():
                return self._spawn(decision)
            case StartMold(generation=generation):
                self._molds.start(generation)
            case EndMold(generation=generation):
                self._molds.end(generation)
            case GiveUp():
                self._stop_at = self._scene.agenda.now
                self._scene.listener.close()
                self._scene.agenda.plan(self._stop_at, self._look_again, None)
            case _:
                self._house.order(decision)
        return None

    def _look_again(self, _: None) -> None:
        self._scene.looks.call()

    def _spawn(self, decision: Spawn) -> WorkerId:
        self._births += 1
        limits, name = self._policy.limits, WorkerId(self._births)
        places = limits.max_sessions or UNLIMITED
        left = served_limit(limits, self._policy.seed, name) or UNLIMITED
        birth = Birth(name, decision.generation, self._scene.agenda.now, places, left, decision.replaces)
        worker = Worker(birth)
        self._house.enters(worker)
        self._molds.bear(worker)
        return name
