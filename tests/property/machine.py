"""A pool to which anything may happen, as a Hypothesis state machine whose looks are shown to chosen invariants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from prefork.policy.config import (
    CrashConfig,
    DemandSizing,
    PoolConfig,
    RecycleConfig,
    Sizing,
    SpareSizing,
    StaticSizing,
)
from prefork.policy.model import MoldPhase, Owner, Phase
from prefork.policy.units import NS
from tests.property.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.property.world import Seen

small = st.integers(0, 4)


@st.composite
def sizings(draw: st.DrawFn, low: int, high: int) -> Sizing:
    """Of every kind."""
    kind = draw(st.sampled_from(["demand", "spare", "static"]))
    if kind == "static":
        return StaticSizing(workers=draw(st.integers(low, high)))
    hold = draw(st.sampled_from([0.0, 1.0, 5.0]))
    fewest = draw(st.none() | st.integers(0, high)) if low else None
    if kind == "spare":
        most = draw(st.none() | st.integers(fewest if fewest is not None else low, 8))
        return SpareSizing(min_spare=fewest, max_spare=most, hold=hold)
    return DemandSizing(
        headroom=draw(st.sampled_from([0.0, 1.0, 2.5])),
        hold=hold,
        target_wait=draw(st.sampled_from([0.001, 0.05, 1.0])),
        saturation=draw(st.sampled_from([0.0, 0.01, 1.0])),
        min_spare=fewest,
        max_spare=draw(st.none() | st.integers(fewest or 0, 8)),
    )


@st.composite
def configs(draw: st.DrawFn) -> PoolConfig:
    """Small pools of every kind, with limits that bite within seconds."""
    low = draw(st.integers(0, 4))
    high = draw(st.integers(max(1, low), 8))
    sizing = draw(sizings(low, high))
    return PoolConfig(
        min_workers=low,
        max_workers=high,
        start_workers=draw(st.none() | st.integers(low, high)) if sizing.kind != "static" else None,
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

    def __init__(self, *checks: Callable[[Seen], None]) -> None:
        super().__init__()
        self.checks = checks
        self.world: World | None = None

    @property
    def it(self) -> World:
        assert self.world is not None
        return self.world

    @initialize(config=configs(), seed=st.integers(0, 2**64), warm=st.booleans())
    def begin(self, config: PoolConfig, seed: int, warm: bool) -> None:
        self.world = World(config, seed, self.checks)
        if warm:
            self.world.settle()

    @rule()
    def everybody_is_ready(self) -> None:
        self.it.mold_ready()
        self.it.look()
        self.it.all_ready()

    @rule(pick=small, heard=st.booleans())
    def one_is_ready(self, pick: int, heard: bool) -> None:
        names = self.it.ids(Phase.BOOTING)
        if names:
            self.it.ready(names[pick % len(names)], heard=heard)

    @rule(pick=small, sessions=small)
    def clients(self, pick: int, sessions: int) -> None:
        names = self.it.ids(Phase.SERVING)
        if names:
            self.it.sessions(names[pick % len(names)], sessions)

    @rule(sessions=small)
    def everybody_has_clients(self, sessions: int) -> None:
        for name in self.it.ids(Phase.SERVING):
            self.it.sessions(name, sessions)

    @rule(queue=st.none() | st.integers(0, 20))
    def queue(self, queue: int | None) -> None:
        self.it.goal(queue=queue)

    @rule(pick=small, fate=st.sampled_from([(1, None), (0, None), (None, 9), (None, 11), (None, 15)]))
    def one_ends(self, pick: int, fate: tuple[int | None, int | None]) -> None:
        names = self.it.ids(*Phase)
        if names:
            self.it.end(names[pick % len(names)], *fate)

    @rule()
    def all_killed_from_outside(self) -> None:
        for name in self.it.ids(*Phase):
            self.it.end(name, None, 9)

    @rule(debts=st.integers(-2, 40))
    def many_were_killed_from_outside(self, debts: int) -> None:
        """As after minutes of it: so many more than the bucket holds."""
        limits, memory = self.it.limits, self.it.memory
        spent = (limits.outside_burst + min(debts, limits.outside_burst)) * limits.refill_ns
        self.it.memory = memory._replace(outside_spent_ns=spent)

    @rule()
    def the_mold_has_made_them(self) -> None:
        self.it.all_born()

    @rule()
    def all_boots_crash(self) -> None:
        for name in self.it.ids(Phase.BOOTING):
            self.it.end(name, 1)

    @rule()
    def forks_fail(self) -> None:
        for name in self.it.ids(Phase.BOOTING):
            self.it.end(name, None, None, born=False)

    @rule()
    def everybody_told_to_go_goes(self) -> None:
        self.it.all_told_go()

    @rule()
    def retirees_decline(self) -> None:
        for worker in self.it.view.workers:
            if worker.retiring_at is not None and worker.phase is Phase.SERVING:
                self.it.decline(worker.id)

    @rule(pick=small, owner=st.sampled_from([Owner.OPERATOR, Owner.APP]), on=st.booleans())
    def one_is_paused(self, pick: int, owner: Owner, on: bool) -> None:
        names = self.it.ids(Phase.SERVING)
        if names:
            worker = self.it.worker(names[pick % len(names)])
            by = worker.paused_by | {owner} if on else worker.paused_by - {owner}
            self.it.set(worker.id, paused_by=by)

    @rule(pick=small, owner=st.sampled_from([Owner.OPERATOR, Owner.APP]))
    def one_asks_to_drain(self, pick: int, owner: Owner) -> None:
        names = self.it.ids(Phase.SERVING, Phase.BOOTING)
        if names:
            self.it.set(names[pick % len(names)], drain_wanted=owner)

    @rule(pick=small, size=st.sampled_from([90_000_000, 160_000_000, 210_000_000]), spins=st.booleans())
    def one_grows(self, pick: int, size: int, spins: bool) -> None:
        names = self.it.ids(Phase.SERVING, Phase.DRAINING)
        if names:
            self.it.set(names[pick % len(names)], rss=size, cpu_ns=100 * NS if spins else None)

    @rule(seconds=st.sampled_from([0.001, 0.3, 1.0, 3.0, 7.0]), beats=st.booleans())
    def time_passes(self, seconds: float, beats: bool) -> None:
        self.it.wait(round(seconds * NS))
        if beats:
            self.it.beat()

    @rule(beats=st.booleans())
    def sleep_until_the_next_check(self, beats: bool) -> None:
        """The master wakes exactly when it asked to."""
        until = self.it.look().next_check_at
        if until is not None:
            self.it.wait(until - self.it.view.now)
            if beats:
                self.it.beat()

    @rule(looks=st.integers(1, 12))
    def a_quiet_while(self, looks: int) -> None:
        """Everybody does as told, the master wakes when it asked to, and nobody comes."""
        for _ in range(looks):
            until = self.it.look().next_check_at
            self.it.mold_ready()
            self.it.all_ready()
            self.it.wait(NS if until is None else min(until - self.it.view.now, NS))
            self.it.beat()

    @rule(pick=small)
    def the_policy_had_paused_one(self, pick: int) -> None:
        """As before a reload that changed the kind of sizing."""
        names = self.it.ids(Phase.SERVING)
        if names:
            worker = self.it.worker(names[pick % len(names)])
            self.it.set(worker.id, paused_by=worker.paused_by | {Owner.POLICY})

    @rule(seconds=st.integers(1, 1000))
    def host_freezes(self, seconds: int) -> None:
        self.it.look()
        self.it.wait(seconds * NS)

    @rule(timeout=st.sampled_from([None, 3, 50]))
    def reload(self, timeout: int | None) -> None:
        self.it.goal(reload_wanted=True, import_timeout_ns=None if timeout is None else timeout * NS)

    @rule()
    def mold_ready(self) -> None:
        self.it.mold_ready()

    @rule(phase=st.sampled_from([MoldPhase.FAILED, MoldPhase.GONE]))
    def mold_dies(self, phase: MoldPhase) -> None:
        self.it.mold_ends(phase)

    @rule(scale=st.none() | st.integers(0, 12))
    def scale(self, scale: int | None) -> None:
        self.it.goal(scale=scale)

    @rule(paused=st.booleans())
    def pause_pool(self, paused: bool) -> None:
        self.it.goal(paused=paused)
        for name in self.it.ids(Phase.SERVING):
            by = self.it.worker(name).paused_by - {Owner.OPERATOR}
            self.it.set(name, paused_by=by | {Owner.OPERATOR} if paused else by)

    @precondition(lambda self: self.world is not None and self.world.view.stop_at is None)
    @rule(delay=small, patience=st.none() | small)
    def stop(self, delay: int, patience: int | None) -> None:
        at = self.it.view.now + delay * NS
        self.it.goal(stop_at=at, stop_by=None if patience is None else at + patience * NS)

    @precondition(lambda self: self.world is not None and self.world.view.stop_at is not None)
    @rule()
    def stop_again(self) -> None:
        now, view = self.it.view.now, self.it.view
        self.it.goal(stop_at=min(now, view.stop_at or now), stop_by=min(now, view.stop_by or now))

    @rule(config=configs())
    def new_config(self, config: PoolConfig) -> None:
        self.it.configure(config)

    @invariant()
    def look(self) -> None:
        if self.world is not None:
            self.world.look()


def profile(examples: int, steps: int, *stages: Stage) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=stages or (Stage.generate, Stage.shrink),
        suppress_health_check=list(HealthCheck),
    )


def always(*checks: Callable[[Seen], None], examples: int, steps: int) -> None:
    """Whatever happens to a pool, each look passes the checks."""
    machine: Any = lambda: PoolMachine(*checks)  # noqa: E731 - Hypothesis takes a factory, its types a class
    run_state_machine_as_test(machine, settings=profile(examples, steps, Stage.generate))
