"""22. Workers killed from outside are restored, whatever happened to the pool before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis.stateful import run_state_machine_as_test

from prefork.policy.model import Phase
from prefork.policy.units import NS
from tests.property.machine import PoolMachine, profile

if TYPE_CHECKING:
    from tests.property.world import World

BOOT_NS = 2_000_000
MANY = 6
"""Kills of everybody, one after another: more than a small pool's bucket holds."""


def restore(world: World) -> int:
    """Let the world do what it is told until min_workers serve; how long that took."""
    began = world.view.now
    while len(world.ids(Phase.SERVING)) < world.limits.min_workers:
        until = world.look().next_check_at
        world.all_told_go()
        world.mold_ready()
        boots = bool(world.ids(Phase.BOOTING))
        assert boots or until is not None or world.view.exits, "nobody would ever look again"
        world.wait(BOOT_NS if boots or until is None else min(max(until - world.view.now, BOOT_NS), NS))
        world.all_ready()
        world.beat()
    return world.view.now - began


class KilledAtLast(PoolMachine):
    """Whatever happened, then everybody is killed, again and again."""

    def teardown(self) -> None:
        world = self.world
        if world is None or world.view.stop_at is not None or not (world.view.generation and world.memory.ever_ready):
            return
        limits = world.limits
        failures_ns = 3 * limits.max_delay_ns + limits.healthy_after_ns  # of forks, of the mold, of probes
        for _ in range(MANY):
            self.all_killed_from_outside()
            assert restore(world) <= failures_ns + limits.min_workers * (NS + BOOT_NS)


def test_killed_from_outside_the_pool_is_back_whatever_happened_before() -> None:
    machine: Any = KilledAtLast
    run_state_machine_as_test(machine, settings=profile(60, 30))
