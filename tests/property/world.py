"""A model world around decide(): it performs decisions as the scoreboard would; each look checks the invariants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.engine import decide
from prefork.policy.limits import PPM, Limits
from prefork.policy.memory import Memory, Plan
from prefork.policy.model import (
    Decision,
    Drain,
    EndMold,
    ExitView,
    GiveUp,
    Kill,
    KillStep,
    MoldPhase,
    MoldView,
    Owner,
    Phase,
    PoolView,
    Reason,
    Retire,
    Spawn,
    StartMold,
    WorkerId,
    WorkerView,
)
from prefork.policy.units import NS

if TYPE_CHECKING:
    from prefork.policy.config import PoolConfig

RECYCLE = {Reason.OLD_GENERATION, Reason.MAX_AGE, Reason.MAX_SERVED, Reason.MAX_RSS}
LOAD_BIRTHS = {Reason.START, Reason.BELOW_MIN, Reason.FEW_SPARES, Reason.STATIC_SIZE, Reason.SCALE, Reason.PROBE}
LIVE = {Phase.BOOTING, Phase.SERVING, Phase.DRAINING}


class World:
    """Workers, molds and goals, changed by decisions and by what a test lets happen."""

    def __init__(self, config: PoolConfig, seed: int = 1) -> None:
        self.config = config
        self.limits = Limits.of(config)
        self.view = PoolView(now=1000 * NS, seed=seed, generation=0)
        self.memory = Memory()
        self.plan = Plan((), (), None, self.memory)
        self.next_id = 1
        self.next_seq = 1
        self.ordered: dict[WorkerId, Reason] = {}
        self.told: set[tuple[object, ...]] = set()
        self.gave_up = False

    # facts

    def worker(self, name: WorkerId) -> WorkerView:
        return next(worker for worker in self.view.workers if worker.id == name)

    def ids(self, *phases: Phase) -> list[WorkerId]:
        return [worker.id for worker in self.view.workers if worker.phase in phases]

    def set(self, name: WorkerId, **changes: object) -> None:
        new = self.worker(name)._replace(**changes)  # type: ignore[arg-type]
        self.view = self.view._replace(workers=tuple(new if old.id == name else old for old in self.view.workers))

    def ready(self, name: WorkerId) -> None:
        now = self.view.now
        paused = frozenset({Owner.OPERATOR}) if self.view.paused else frozenset()
        changes = {"phase": Phase.SERVING, "ready_at": now, "heard_at": now, "idle_since": now, "paused_by": paused}
        self.set(name, **changes, rss=100_000_000, boot_rss=100_000_000)

    def end(self, name: WorkerId, code: int | None = 0, signal: int | None = None, *, born: bool = True) -> None:
        worker = self.worker(name)
        exit_ = ExitView(
            self.next_seq,
            name,
            worker.generation,
            self.view.now,
            worker.ready_at,
            worker.forked_at,
            self.ordered.get(name),
            born,
            code,
            signal,
        )
        self.next_seq += 1
        others = tuple(other for other in self.view.workers if other.id != name)
        self.view = self.view._replace(workers=others, exits=(*self.view.exits, exit_))

    def sessions(self, name: WorkerId, count: int) -> None:
        worker = self.worker(name)
        accepted = worker.accepted + max(0, count - worker.sessions)
        since = self.view.now if count == 0 and worker.sessions else worker.idle_since if count == 0 else None
        self.set(name, sessions=count, accepted=accepted, idle_since=since)

    def beat(self) -> None:
        """Every loop turns."""
        now = self.view.now
        for worker in self.view.workers:
            if worker.ready_at is not None and worker.phase is not Phase.KILLED:
                self.set(worker.id, heard_at=now)

    def mold_ready(self) -> None:
        for mold in self.view.molds:
            if mold.phase is MoldPhase.STARTING:
                self._mold(mold, MoldPhase.READY)
                self.view = self.view._replace(generation=max(self.view.generation, mold.generation))
                return

    def mold_ends(self, phase: MoldPhase) -> None:
        """The first mold that has a process loses it: FAILED while importing, GONE otherwise."""
        for mold in self.view.molds:
            if mold.phase in (MoldPhase.STARTING, MoldPhase.READY, MoldPhase.ENDING):
                self._mold(mold, phase)
                return

    def _mold(self, mold: MoldView, phase: MoldPhase) -> None:
        new = MoldView(mold.generation, phase, self.view.now)
        self.view = self.view._replace(molds=tuple(new if old == mold else old for old in self.view.molds))

    # decisions

    def look(self) -> Plan:
        """Decide, check, perform; then look again at the same instant: nothing more is said."""
        before = self.view
        plan = decide(self.config, before, self.memory)
        assert plan == decide(self.config, before, self.memory), "two calls differ"
        self.check(before, plan)
        self.memory = Memory.from_json(plan.memory.to_json())
        assert self.memory == plan.memory
        for decision in plan.decisions:
            self.perform(decision)
        self.view = self.view._replace(exits=())
        self.plan = plan
        if not any(isinstance(decision, GiveUp) for decision in plan.decisions):
            again = decide(self.config, self.view, self.memory)
            assert again.decisions == (), f"said {plan.decisions}, then {again.decisions}"
            self.memory = again.memory
            self.plan = plan._replace(next_check_at=again.next_check_at)
            asked, needed = plan.next_check_at, again.next_check_at
            assert needed is None or (asked is not None and asked <= needed), f"{plan} would oversleep {needed}"
        return plan

    def perform(self, decision: Decision) -> None:
        now = self.view.now
        match decision:
            case Spawn(generation=generation, replaces=replaces):
                name, self.next_id = WorkerId(self.next_id), self.next_id + 1
                new = WorkerView(name, generation, Phase.BOOTING, forked_at=now, replaces=replaces)
                self.view = self.view._replace(workers=(*self.view.workers, new))
            case Retire(worker=name, because=why):
                self.ordered[name] = why.reason
                self.set(name, retiring_at=now)
            case Drain(worker=name, by=by, because=why):
                self.ordered[name] = why.reason
                self.set(name, phase=Phase.DRAINING, drain_by=by)
            case Kill(worker=name, step=step, because=why):
                self.ordered[name] = why.reason
                self.set(name, phase=Phase.KILLED, kill_step=step, killed_at=now)
            case StartMold(generation=generation, because=why):
                molds = tuple(mold for mold in self.view.molds if mold.phase not in (MoldPhase.GONE, MoldPhase.FAILED))
                reload_wanted = self.view.reload_wanted and why.reason is not Reason.RELOAD
                new_mold = MoldView(generation, MoldPhase.STARTING, now)
                self.view = self.view._replace(molds=(*molds, new_mold), reload_wanted=reload_wanted)
            case EndMold(generation=generation, force=force):
                alive = (MoldPhase.STARTING, MoldPhase.READY, MoldPhase.ENDING)
                mold = next(mold for mold in self.view.molds if mold.generation == generation and mold.phase in alive)
                if mold.phase is not MoldPhase.ENDING:
                    self._mold(mold, MoldPhase.ENDING)
                key = ("mold", generation, mold.since_at, force)
                assert key not in self.told
                self.told.add(key)
            case GiveUp():
                self.gave_up = True
                self.view = self.view._replace(stop_at=now, stop_by=now + self.limits.drain_timeout_ns)
            case _:
                raise AssertionError(f"{decision} is not to be said by this sizing")

    # invariants of policy.md, by number

    def check(self, view: PoolView, plan: Plan) -> None:
        self._check_names(view, plan)
        self._check_size(view, plan)
        self._check_who_goes(view, plan)
        self._check_told(view, plan)
        assert plan.next_check_at is None or plan.next_check_at > view.now or view.now < (self.memory.last_now or 0)

    def _check_names(self, view: PoolView, plan: Plan) -> None:
        """3. Known workers, one decision each, none for a draining one but the escalation past its deadline."""
        named = [decision for decision in plan.decisions if isinstance(decision, Retire | Drain | Kill)]
        names = [decision.worker for decision in named]
        known = {worker.id: worker for worker in view.workers}
        assert set(names) <= set(known)
        assert len(names) == len(set(names))
        stopping = view.stop_at is not None and view.stop_at <= view.now
        for decision in named:
            worker = known[decision.worker]
            if worker.phase is Phase.DRAINING and not isinstance(decision, Kill):
                assert isinstance(decision, Drain)
                assert stopping
                assert worker.drain_by is None or decision.by < worker.drain_by
            if worker.phase is Phase.KILLED:
                assert isinstance(decision, Kill)
                assert worker.kill_step is not KillStep.KILL
                assert list(KillStep).index(decision.step) > list(KillStep).index(worker.kill_step or KillStep.DUMP)

    def _check_size(self, view: PoolView, plan: Plan) -> None:
        """1. Never over max, but by the surge of a replacement. 2. Below min, only what may withhold births does."""
        spawns = [decision for decision in plan.decisions if isinstance(decision, Spawn)]
        ended = {decision.worker for decision in plan.decisions if isinstance(decision, Kill)}
        live = [worker for worker in view.workers if worker.phase in LIVE and worker.id not in ended]
        replacing = [spawn for spawn in spawns if spawn.replaces is not None]
        if len(spawns) > len(replacing):
            assert len(live) + len(spawns) - len(replacing) <= self.limits.max_workers
        if replacing:
            assert len(live) + len(spawns) <= self.limits.max_workers + self.limits.max_surge
            assert {spawn.because.reason for spawn in replacing} <= RECYCLE
        assert {spawn.because.reason for spawn in spawns if spawn.replaces is None} <= LOAD_BIRTHS
        told = {decision.worker for decision in plan.decisions if isinstance(decision, Retire | Drain | Kill)}
        replaced = {worker.replaces for worker in live if worker.phase is not Phase.DRAINING}
        n = sum(
            worker.phase in (Phase.BOOTING, Phase.SERVING)
            and worker.retiring_at is None
            and worker.id not in replaced
            and worker.id not in told
            for worker in live
        )
        stopping = view.stop_at is not None and view.stop_at <= view.now
        if not stopping and not any(isinstance(decision, GiveUp) for decision in plan.decisions):
            if n + len(spawns) - len(replacing) < self.limits.min_workers:
                assert any(withheld.want == "spawn" for withheld in plan.withheld)
            left = n + len(spawns) - len(replacing)
            being = sum(
                worker.id in replaced and worker.phase is Phase.SERVING for worker in live if worker.id not in told
            )
            if replacing:  # 6
                assert being + len(replacing) <= max(1, left * self.limits.max_unavailable_ppm // PPM)

    def _check_who_goes(self, view: PoolView, plan: Plan) -> None:
        """4. A surplus ends nobody with a session. 5. No growing and shrinking for load in one plan."""
        known = {worker.id: worker for worker in view.workers}
        shrinks = [d for d in plan.decisions if isinstance(d, Retire)]
        for retire in shrinks:
            assert known[retire.worker].sessions == 0
            assert known[retire.worker].phase is Phase.SERVING
        births = [d for d in plan.decisions if isinstance(d, Spawn) and d.replaces is None]
        assert not (shrinks and births)
        for decision in plan.decisions:
            if isinstance(decision, Drain) and decision.because.reason is Reason.SURPLUS:
                assert len(view.workers) > self.limits.max_workers

    def _check_told(self, view: PoolView, plan: Plan) -> None:
        """24. Nobody is told twice: the same decision about the same worker, but for an earlier deadline."""
        for decision in plan.decisions:
            if isinstance(decision, Drain):
                key: tuple[object, ...] = ("drain", decision.worker, decision.by)
            elif isinstance(decision, Kill):
                key = ("kill", decision.worker, decision.step)
            else:
                continue
            assert key not in self.told
            self.told.add(key)
        for retire in plan.decisions:
            if isinstance(retire, Retire):
                assert next(worker for worker in view.workers if worker.id == retire.worker).retiring_at is None
