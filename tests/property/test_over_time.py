"""The invariants of policy.md that take time to show: whatever happened to a pool before, then this follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis.stateful import run_state_machine_as_test

from prefork.policy.model import Drain, Kill, Owner, Phase
from prefork.policy.units import NS
from tests.property.counts import UP, live, members
from tests.property.machine import PoolMachine, profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.policy.memory import Plan
    from tests.property.world import World

BOOT_NS = 2_000_000
MANY = 6
"""Kills of everybody, one after another: more than a small pool's bucket holds."""
LONG_NS = 200 * NS
"""Longer than every limit and delay of the machine's configs together."""


def calm(world: World, ns: int) -> Iterator[Plan]:
    """Let the world do what it is told, and no more, for so long: each look."""
    until = world.view.now + ns
    while world.view.now < until:
        plan = world.look()
        yield plan
        looked_at = world.view
        for worker in world.view.workers:
            if worker.phase is Phase.DRAINING:
                world.sessions(worker.id, 0)
        world.all_told_go()
        world.ending_molds_go()
        world.mold_ready()
        boots = bool(world.ids(Phase.BOOTING))
        at = plan.next_check_at
        if at is None and world.view == looked_at and not boots:
            return
        world.wait(BOOT_NS if boots or at is None else min(max(at - world.view.now, BOOT_NS), NS))
        world.all_ready()
        world.beat()


def serves(world: World) -> bool:
    """There is a pool, it goes on, and somebody was once able to."""
    return world.view.stop_at is None and world.view.generation > 0 and world.memory.ever_ready


class Last(PoolMachine):
    """Whatever happened, and then `at_last`."""

    def teardown(self) -> None:
        if self.world is not None:
            self.at_last(self.world)

    def at_last(self, world: World) -> None:
        raise NotImplementedError


class Killed(Last):
    """22. Everybody is killed, again and again: restored."""

    def at_last(self, world: World) -> None:
        if not serves(world):
            return
        limits = world.limits
        failures_ns = 3 * limits.max_delay_ns + limits.healthy_after_ns  # of forks, of the mold, of probes
        bound = failures_ns + limits.min_workers * (NS + BOOT_NS)
        for _ in range(MANY):
            self.all_killed_from_outside()
            began = world.view.now
            for _plan in calm(world, bound):
                if len(world.ids(Phase.SERVING)) >= limits.min_workers:
                    break
            assert len(world.ids(Phase.SERVING)) >= limits.min_workers
            assert world.view.now - began <= bound


class LeftAlone(Last):
    """21. Constant load: finitely many decisions."""

    def at_last(self, world: World) -> None:
        recycle = world.config.recycle.model_copy(update={"max_age": 0.0})  # age never rests
        world.configure(world.config.model_copy(update={"recycle": recycle}))
        for _ in calm(world, LONG_NS):
            pass
        assert [plan.decisions for plan in calm(world, LONG_NS) if plan.decisions] == []


class Lowered(Last):
    """23. max_workers is lowered: that many are left, in time, and nobody's session is lost."""

    def at_last(self, world: World) -> None:
        for _ in calm(world, LONG_NS):
            pass
        if not serves(world) or world.view.paused:
            return
        world.configure(world.config.model_copy(update={"max_workers": max(1, world.limits.min_workers)}))
        for plan in calm(world, LONG_NS):
            for decision in plan.decisions:
                assert not isinstance(decision, Kill)
                if isinstance(decision, Drain):
                    assert decision.by == world.view.now + world.limits.drain_timeout_ns
        assert len(members(world.view)) <= world.limits.max_workers
        assert live(world.view) <= world.limits.max_workers + world.limits.max_surge


class Reloaded(Last):
    """23. A reload with the same config decides nothing but the reload itself: as many workers, each replaced once."""

    def at_last(self, world: World) -> None:
        recycle = world.config.recycle.model_copy(update={"max_age": 0.0, "max_rss": 0, "hard_rss": 0})
        world.configure(world.config.model_copy(update={"recycle": recycle}))
        for _ in calm(world, LONG_NS):
            pass
        if not serves(world) or world.view.reload_wanted:
            return
        world.configure(world.config.model_copy(deep=True))
        assert [plan.decisions for plan in calm(world, LONG_NS) if plan.decisions] == []
        before = len(world.ids(*UP))
        kept = len([one for one in world.view.workers if Owner.POLICY in one.paused_by])  # by the operator's pause
        next_id = world.next_id
        world.goal(reload_wanted=True, import_timeout_ns=None)
        for _ in calm(world, LONG_NS):
            pass
        assert {worker.generation for worker in world.view.workers} <= {world.view.generation}
        assert world.limits.min_workers <= len(world.ids(*UP)) <= before  # a busy surplus is replaced, and then let go
        assert before - kept <= world.next_id - next_id <= before


def after_whatever(kind: Any) -> None:
    run_state_machine_as_test(kind, settings=profile(50, 25))


def test_killed_from_outside_the_pool_is_back() -> None:
    after_whatever(Killed)


def test_left_alone_the_pool_comes_to_rest() -> None:
    after_whatever(LeftAlone)


def test_with_a_lower_max_nobodys_session_is_lost() -> None:
    after_whatever(Lowered)


def test_with_the_same_config_a_reload_replaces_each_worker_once() -> None:
    after_whatever(Reloaded)
