"""A model world around decide(): it performs decisions as the scoreboard would, and shows each look to its checks."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

from prefork.policy import engine
from prefork.policy.jitter import served_limit
from prefork.policy.limits import Limits
from prefork.policy.memory import Memory, Plan
from prefork.policy.model import (
    Drain,
    EndMold,
    ExitView,
    GiveUp,
    Kill,
    MoldPhase,
    MoldView,
    Owner,
    Pause,
    Phase,
    PoolView,
    Reason,
    Resume,
    Retire,
    Spawn,
    StartMold,
    WorkerId,
    WorkerView,
)
from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.policy.config import PoolConfig
    from prefork.policy.model import Decision

ALIVE = (MoldPhase.STARTING, MoldPhase.READY, MoldPhase.ENDING)
SIZE_AT_BOOT = 100_000_000


class Look(NamedTuple):
    """What went in, what came out, and the pool once the plan was performed (at the same instant)."""

    config: PoolConfig
    limits: Limits
    view: PoolView
    before: Memory
    plan: Plan
    after: PoolView
    told: frozenset[tuple[object, ...]]
    """What workers and molds had been told before this look."""


class Seen(Look):
    """One look, and what follows from it."""

    @cached_property
    def again(self) -> Plan:
        """Of another look at the same instant."""
        return engine.decide(self.config, self.after, self.plan.memory)

    @property
    def now(self) -> int:
        """The instant; a clock that went back stands still."""
        return max(self.view.now, self.before.last_now or 0)

    @property
    def stops(self) -> bool:
        """Whether the pool is going."""
        ordered = self.view.stop_at is not None and self.view.stop_at <= self.now
        return ordered or any(isinstance(decision, GiveUp) for decision in self.plan.decisions)


class World:
    """Workers, molds and goals, changed by decisions and by what a test lets happen."""

    def __init__(self, config: PoolConfig, seed: int = 1, checks: Sequence[Callable[[Seen], None]] = ()) -> None:
        self.configure(config)
        self.checks = checks
        self.view = PoolView(now=1000 * NS, seed=seed, generation=0)
        self.memory = Memory()
        self.plan = Plan((), (), None, self.memory)
        self.next_id = 1
        self.next_seq = 1
        self.decided = 0
        """Decisions of the last `settle`."""
        self.ordered: dict[WorkerId, Reason] = {}
        self.told: frozenset[tuple[object, ...]] = frozenset()

    def configure(self, config: PoolConfig) -> None:
        self.config = config
        self.limits = Limits.of(config)

    def copy(self) -> Self:
        other = copy(self)
        other.ordered = dict(self.ordered)
        return other

    # facts

    def worker(self, name: WorkerId) -> WorkerView:
        return next(worker for worker in self.view.workers if worker.id == name)

    def ids(self, *phases: Phase) -> list[WorkerId]:
        return [worker.id for worker in self.view.workers if worker.phase in phases]

    def set(self, name: WorkerId, **changes: object) -> None:
        new = self.worker(name)._replace(**changes)  # type: ignore[arg-type]
        self.view = self.view._replace(workers=tuple(new if old.id == name else old for old in self.view.workers))

    def goal(self, **goals: object) -> None:
        self.view = self.view._replace(**goals)  # type: ignore[arg-type]

    def wait(self, ns: int) -> None:
        """Time passes: sessions grow older, and the loops that hold one are busy."""
        view = self.view
        held = [max(0, worker.sessions) for worker in view.workers]
        self.view = view._replace(
            now=view.now + ns,
            held_ns=view.held_ns + sum(held) * ns,
            busy_ns=view.busy_ns + sum(map(bool, held)) * ns,
        )

    def ready(self, name: WorkerId, *, heard: bool = True) -> None:
        """Its loop could accept; whether it has beaten since is another matter."""
        now = self.view.now
        paused = frozenset({Owner.OPERATOR}) if self.view.paused else frozenset()
        beat = now if heard else None
        changes = {"phase": Phase.SERVING, "ready_at": now, "heard_at": beat, "idle_since": now, "paused_by": paused}
        self.set(name, **changes, born=True, rss=SIZE_AT_BOOT, boot_rss=SIZE_AT_BOOT)

    def all_born(self) -> None:
        """The mold has made whoever was asked for; they still boot."""
        for name in self.ids(Phase.BOOTING):
            self.set(name, born=True)

    def all_ready(self) -> None:
        for name in self.ids(Phase.BOOTING):
            self.ready(name)

    def end(self, name: WorkerId, code: int | None = 0, signal: int | None = None, *, born: bool = True) -> None:
        worker, now = self.worker(name), self.view.now
        lived = (self.next_seq, name, worker.generation, now, worker.ready_at, worker.forked_at)
        exit_ = ExitView(*lived, self.ordered.get(name), born, code, signal)
        self.next_seq += 1
        others = tuple(other for other in self.view.workers if other.id != name)
        ended = self.view.completions + max(0, worker.sessions)
        self.view = self.view._replace(workers=others, exits=(*self.view.exits, exit_), completions=ended)

    def all_told_go(self) -> None:
        """Who was told to go is gone."""
        for worker in self.view.workers:
            if worker.phase in (Phase.DRAINING, Phase.KILLED) or worker.retiring_at is not None:
                self.end(worker.id)

    def ending_molds_go(self) -> None:
        """Molds that were told to end are gone, as the scoreboard forgets them."""
        self.goal(molds=tuple(mold for mold in self.view.molds if mold.phase is not MoldPhase.ENDING))

    def decline(self, name: WorkerId) -> None:
        """A session came first, unless the gate is shut for good: the worker stays."""
        if not self.worker(name).spent:
            self.ordered.pop(name, None)
            self.set(name, retiring_at=None)
            self.sessions(name, max(1, self.worker(name).sessions))

    def sessions(self, name: WorkerId, count: int) -> None:
        """It holds so many sessions, or as many as its gate takes: below the cap, and as long as it isn't spent."""
        worker = self.worker(name)
        limit = served_limit(self.limits, self.view.seed, name) or count + worker.accepted
        cap = self.config.max_sessions or count
        room = 0 if worker.spent else max(0, limit - worker.accepted)
        count = min(count, max(cap, worker.sessions), worker.sessions + room)
        accepted = worker.accepted + max(0, count - worker.sessions)
        self.goal(
            arrivals=self.view.arrivals + accepted - worker.accepted,
            completions=self.view.completions + max(0, worker.sessions - count),
        )
        since = self.view.now if count == 0 and worker.sessions else worker.idle_since if count == 0 else None
        spent = worker.spent or bool(self.limits.max_served and accepted >= limit)
        self.set(name, sessions=count, accepted=accepted, idle_since=since, spent=spent)

    def beat(self) -> None:
        """Every loop turns."""
        now = self.view.now
        beaten = (
            worker._replace(heard_at=now)
            if worker.ready_at is not None and worker.phase is not Phase.KILLED
            else worker
            for worker in self.view.workers
        )
        self.view = self.view._replace(workers=tuple(beaten))

    def mold_ready(self) -> None:
        for mold in self.view.molds:
            if mold.phase is MoldPhase.STARTING:
                self._mold(mold, MoldPhase.READY)
                self.goal(generation=max(self.view.generation, mold.generation))
                return

    def mold_ends(self, phase: MoldPhase) -> None:
        """The first mold that has a process loses it: FAILED while importing, GONE otherwise."""
        for mold in self.view.molds:
            if mold.phase in ALIVE:
                self._mold(mold, phase)
                return

    def _mold(self, mold: MoldView, phase: MoldPhase) -> None:
        new = mold._replace(phase=phase, since_at=self.view.now)
        self.view = self.view._replace(molds=tuple(new if old == mold else old for old in self.view.molds))

    # decisions

    def look(self) -> Plan:
        """Decide, perform, check."""
        seen = self.observe()
        for check in self.checks:
            check(seen)
        return seen.plan

    def observe(self) -> Seen:
        """Decide and perform."""
        view, before, told = self.view, self.memory, self.told
        plan = engine.decide(self.config, view, before)
        for decision in plan.decisions:
            self._perform(decision)
        self.view = self.view._replace(exits=())
        self.plan, self.memory = plan, plan.memory
        return Seen(self.config, self.limits, view, before, plan, self.view, told)

    def settle(self) -> Plan:
        """Look, and let happen what was ordered, until nothing is: the mold imports, the born serve, the told go."""
        self.decided = 0
        for _ in range(100):
            plan = self.look()
            self.decided += len(plan.decisions)
            self.mold_ready()
            self.all_ready()
            self.all_told_go()
            if not plan.decisions and not self.view.exits:
                return plan
        raise AssertionError("a pool that never comes to rest")

    def _perform(self, decision: Decision) -> None:
        now = self.view.now
        match decision:
            case Spawn(generation=generation, replaces=replaces):
                name, self.next_id = WorkerId(self.next_id), self.next_id + 1
                new = WorkerView(name, generation, Phase.BOOTING, forked_at=now, replaces=replaces, born=False)
                self.view = self.view._replace(workers=(*self.view.workers, new))
            case Pause(worker=name):
                self.set(name, paused_by=self.worker(name).paused_by | {Owner.POLICY})
            case Resume(worker=name):
                self.set(name, paused_by=self.worker(name).paused_by - {Owner.POLICY})
            case Retire(worker=name):
                self._tell(decision, retiring_at=now)
            case Drain(worker=name, by=by):
                self._tell(decision, phase=Phase.DRAINING, drain_by=by)
                self.told |= {("drain", name, by)}
            case Kill(worker=name, step=step):
                self._tell(decision, phase=Phase.KILLED, kill_step=step, killed_at=now)
                self.told |= {("kill", name, step)}
            case StartMold(generation=generation, because=why):
                molds = tuple(mold for mold in self.view.molds if mold.phase in ALIVE)
                wanted = self.view.reload_wanted and why.reason is not Reason.RELOAD
                timeout = None if generation == self.view.generation else self.view.import_timeout_ns
                self.goal(molds=(*molds, MoldView(generation, MoldPhase.STARTING, now, timeout)), reload_wanted=wanted)
            case EndMold():
                self._end_mold(decision)
            case GiveUp():
                self.goal(stop_at=now, stop_by=now + self.limits.drain_timeout_ns)

    def _tell(self, decision: Retire | Drain | Kill, **changes: object) -> None:
        self.ordered[decision.worker] = decision.because.reason
        self.set(decision.worker, **changes)

    def _end_mold(self, decision: EndMold) -> None:
        mold = next(m for m in self.view.molds if m.generation == decision.generation and m.phase in ALIVE)
        if mold.phase is not MoldPhase.ENDING:
            self._mold(mold, MoldPhase.ENDING)
        self.told |= {("mold", mold.generation, mold.since_at, decision.force)}
