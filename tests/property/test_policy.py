"""The invariants of policy.md, in a pool to which anything may happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prefork.policy.config import CrashConfig, PoolConfig, RecycleConfig, Sizing, SpareSizing, StaticSizing
from prefork.policy.engine import decide
from prefork.policy.limits import Limits
from prefork.policy.model import ExitView, MoldPhase, Owner, Phase, PoolView, WorkerView
from prefork.policy.units import NS
from tests.property.world import World

if TYPE_CHECKING:
    from prefork.policy.memory import Memory

small = st.integers(0, 4)


@st.composite
def configs(draw: st.DrawFn) -> PoolConfig:
    """Small pools of every kind, with limits that bite within seconds."""
    low = draw(st.integers(0, 4))
    high = draw(st.integers(max(1, low), 8))
    sizing: Sizing
    if draw(st.booleans()):
        sizing = StaticSizing(workers=draw(st.integers(low, high)))
    else:
        fewest = draw(st.none() | st.integers(0, high)) if low else None
        most = draw(st.none() | st.integers(fewest if fewest is not None else low, 8))
        sizing = SpareSizing(min_spare=fewest, max_spare=most, hold=draw(st.sampled_from([0.0, 1.0, 5.0])))
    return PoolConfig(
        min_workers=low,
        max_workers=high,
        start_workers=draw(st.none() | st.integers(low, high)) if isinstance(sizing, SpareSizing) else None,
        max_sessions=draw(st.integers(0, 3)),
        heartbeat_interval=1.0,
        heartbeat_timeout=10.0,
        import_timeout=20.0,
        boot_timeout=8.0,
        drain_timeout=6.0,
        sizing=sizing,
        recycle=RecycleConfig(
            max_age=draw(st.sampled_from([0.0, 0.0, 15.0])),
            max_served=draw(st.sampled_from([0, 0, 4])),
            max_idle=draw(st.sampled_from([0.0, 0.0, 4.0])),
            max_rss=draw(st.sampled_from([0, 150_000_000])),
            hard_rss=draw(st.sampled_from([0, 200_000_000])),
            jitter=draw(st.sampled_from([0.0, 0.1, 1.0])),
            max_unavailable=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
            max_surge=draw(st.sampled_from([0, 1, "50%"])),
        ),
        crash=CrashConfig(burst=draw(st.none() | st.integers(0, 3)), refill=3.0, healthy_after=5.0, max_delay=10.0),
    )


class PoolMachine(RuleBasedStateMachine):
    """Births become ready, fail, crash; clients come and go; time passes; the operator does what operators do."""

    @initialize(config=configs(), seed=st.integers(0, 2**64))
    def begin(self, config: PoolConfig, seed: int) -> None:
        self.world = World(config, seed)
        self.world.look()

    @rule()
    def first_look(self) -> None:
        self.world.look()

    @rule()
    def everybody_is_ready(self) -> None:
        self.world.mold_ready()
        self.world.look()
        for name in self.world.ids(Phase.BOOTING):
            self.world.ready(name)

    @rule(pick=small)
    def one_is_ready(self, pick: int) -> None:
        names = self.world.ids(Phase.BOOTING)
        if names:
            self.world.ready(names[pick % len(names)])

    @rule(pick=small, sessions=small)
    def clients(self, pick: int, sessions: int) -> None:
        names = self.world.ids(Phase.SERVING)
        cap = self.world.config.max_sessions
        if names:
            self.world.sessions(names[pick % len(names)], min(sessions, cap) if cap else sessions)

    @rule(sessions=small)
    def everybody_has_clients(self, sessions: int) -> None:
        cap = self.world.config.max_sessions
        for name in self.world.ids(Phase.SERVING):
            self.world.sessions(name, min(sessions, cap) if cap else sessions)

    @rule(queue=st.none() | st.integers(0, 20))
    def queue(self, queue: int | None) -> None:
        self.world.view = self.world.view._replace(queue=queue)

    @rule(pick=small, fate=st.sampled_from([(1, None), (0, None), (None, 9), (None, 11), (None, 15)]))
    def one_ends(self, pick: int, fate: tuple[int | None, int | None]) -> None:
        names = self.world.ids(*Phase)
        if names:
            self.world.end(names[pick % len(names)], *fate)

    @rule()
    def all_killed_from_outside(self) -> None:
        for name in self.world.ids(*Phase):
            self.world.end(name, None, 9)

    @rule()
    def all_boots_crash(self) -> None:
        for name in self.world.ids(Phase.BOOTING):
            self.world.end(name, 1)

    @rule()
    def forks_fail(self) -> None:
        for name in self.world.ids(Phase.BOOTING):
            self.world.end(name, None, None, born=False)

    @rule()
    def everybody_told_to_go_goes(self) -> None:
        for worker in self.world.view.workers:
            if worker.phase in (Phase.DRAINING, Phase.KILLED) or worker.retiring_at is not None:
                self.world.end(worker.id)

    @rule()
    def retirees_decline(self) -> None:
        for worker in self.world.view.workers:
            if worker.retiring_at is not None and worker.phase is Phase.SERVING:
                self.world.set(worker.id, retiring_at=None, sessions=1, idle_since=None)

    @rule(pick=small, owner=st.sampled_from(Owner), on=st.booleans())
    def one_is_paused(self, pick: int, owner: Owner, on: bool) -> None:
        names = self.world.ids(Phase.SERVING)
        if names:
            worker = self.world.worker(names[pick % len(names)])
            by = worker.paused_by | {owner} if on else worker.paused_by - {owner}
            self.world.set(worker.id, paused_by=by)

    @rule(pick=small, owner=st.sampled_from([Owner.OPERATOR, Owner.APP]))
    def one_asks_to_drain(self, pick: int, owner: Owner) -> None:
        names = self.world.ids(Phase.SERVING, Phase.BOOTING)
        if names:
            self.world.set(names[pick % len(names)], drain_wanted=owner)

    @rule(pick=small, size=st.sampled_from([90_000_000, 160_000_000, 210_000_000]), spins=st.booleans())
    def one_grows(self, pick: int, size: int, spins: bool) -> None:
        names = self.world.ids(Phase.SERVING, Phase.DRAINING)
        if names:
            self.world.set(names[pick % len(names)], rss=size, cpu_ns=100 * NS if spins else None)

    @rule(seconds=st.sampled_from([0.001, 0.3, 1.0, 3.0, 7.0]), beats=st.booleans())
    def time_passes(self, seconds: float, beats: bool) -> None:
        self.world.view = self.world.view._replace(now=self.world.view.now + round(seconds * NS))
        if beats:
            self.world.beat()

    @rule()
    def sleep_until_the_next_check(self) -> None:
        """The master wakes exactly when it asked to; a moment before there was nothing to say."""
        world = self.world
        world.look()
        until = world.plan.next_check_at
        if until is not None and until > world.view.now + 1:
            early = decide(world.config, world.view._replace(now=until - 1), world.memory)
            assert early.decisions == ()
            world.view = world.view._replace(now=until)

    @rule(seconds=st.integers(1, 1000))
    def host_freezes(self, seconds: int) -> None:
        """17. A jump forward ends nobody for silence."""
        world = self.world
        world.look()
        asked = world.plan.next_check_at
        if asked is not None:
            at = asked + NS + seconds * NS
            plan = decide(world.config, world.view._replace(now=at), world.memory)
            assert not any(
                "silent" in decision.because.reason for decision in plan.decisions if _fresh(decision, world)
            )
            world.view = world.view._replace(now=at)

    @rule(seconds=st.integers(0, 100))
    def clock_goes_back(self, seconds: int) -> None:
        """17. No time has passed."""
        world = self.world
        world.look()
        plan = decide(world.config, world.view._replace(now=world.view.now - seconds * NS), world.memory)
        assert plan.decisions == ()
        assert plan.memory == world.memory

    @rule()
    def reload(self) -> None:
        self.world.view = self.world.view._replace(reload_wanted=True)

    @rule()
    def mold_ready(self) -> None:
        self.world.mold_ready()

    @rule(phase=st.sampled_from([MoldPhase.FAILED, MoldPhase.GONE]))
    def mold_dies(self, phase: MoldPhase) -> None:
        self.world.mold_ends(phase)

    @rule(scale=st.none() | st.integers(0, 12))
    def scale(self, scale: int | None) -> None:
        self.world.view = self.world.view._replace(scale=scale)

    @rule(paused=st.booleans())
    def pause_pool(self, paused: bool) -> None:
        self.world.view = self.world.view._replace(paused=paused)
        for name in self.world.ids(Phase.SERVING):
            by = self.world.worker(name).paused_by - {Owner.OPERATOR}
            self.world.set(name, paused_by=by | {Owner.OPERATOR} if paused else by)

    @precondition(lambda self: self.world.view.stop_at is None)
    @rule(delay=small, patience=small)
    def stop(self, delay: int, patience: int) -> None:
        at = self.world.view.now + delay * NS
        self.world.view = self.world.view._replace(stop_at=at, stop_by=at + patience * NS)

    @precondition(lambda self: self.world.view.stop_at is not None)
    @rule()
    def stop_again(self) -> None:
        now = self.world.view.now
        view = self.world.view
        self.world.view = view._replace(stop_at=min(now, view.stop_at or now), stop_by=min(now, view.stop_by or now))

    @rule(config=configs())
    def new_config(self, config: PoolConfig) -> None:
        self.world.config = config
        self.world.limits = Limits.of(config)

    @invariant()
    def look(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        shuffled = world.view._replace(workers=world.view.workers[::-1], molds=world.view.molds[::-1])
        plan = decide(world.config, world.view, world.memory)
        assert decide(world.config, shuffled, world.memory) == plan, "14. another order of workers, another plan"
        assert _ago(decide(world.config, _shift_view(world.view), _shift_memory(world.memory))) == _ago(plan, 0)
        assert len(plan.memory.window) <= len(world.view.workers) + 2
        world.look()


def _fresh(decision: object, world: World) -> bool:
    """Tell whether a kill begins here: the ladder of an earlier one goes on."""
    name = getattr(decision, "worker", None)
    return name is not None and world.worker(name).phase is not Phase.KILLED


SHIFT = 12_345_678_901


def _shift_view(view: PoolView) -> PoolView:
    def moved(one: WorkerView) -> WorkerView:
        fields = {name: _later(getattr(one, name)) for name in one._fields if name.endswith(("_at", "_since", "_by"))}
        return one._replace(**{name: value for name, value in fields.items() if name != "paused_by"})  # type: ignore[arg-type]

    def moved_exit(one: ExitView) -> ExitView:
        return one._replace(at=one.at + SHIFT, ready_at=_later(one.ready_at), forked_at=one.forked_at + SHIFT)

    return view._replace(
        now=view.now + SHIFT,
        workers=tuple(map(moved, view.workers)),
        molds=tuple(mold._replace(since_at=mold.since_at + SHIFT) for mold in view.molds),
        exits=tuple(map(moved_exit, view.exits)),
        stop_at=_later(view.stop_at),
        stop_by=_later(view.stop_by),
    )


def _later(at: int | None) -> int | None:
    return at + SHIFT if isinstance(at, int) else at


def _shift_memory(memory: Memory) -> Memory:
    names = [name for name in memory._fields if name.endswith(("_at", "_now", "_since")) and name != "awake_at"]
    moved = {name: _later(getattr(memory, name)) for name in names}
    return memory._replace(
        **moved,  # type: ignore[arg-type]
        awake_at=memory.awake_at + SHIFT,
        forced_molds=tuple((generation, at + SHIFT) for generation, at in memory.forced_molds),
        window=tuple((at + SHIFT, spare) for at, spare in memory.window),
    )


def _ago(plan: object, shift: int = SHIFT) -> object:
    """Return decisions, withheld and next look, with every instant moved back."""
    decisions = [d._replace(by=d.by - shift) if hasattr(d, "by") else d for d in plan.decisions]  # type: ignore[attr-defined]
    untimed = [d._replace(because=d.because.reason) for d in decisions]
    at = plan.next_check_at  # type: ignore[attr-defined]
    return untimed, plan.withheld, None if at is None else at - shift  # type: ignore[attr-defined]


TestPool = PoolMachine.TestCase
TestPool.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
