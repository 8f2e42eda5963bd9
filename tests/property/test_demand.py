"""What holds for demand sizing alone: need is monotone, and how long a pool takes to grow and to shrink."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.policy.census import Census
from prefork.policy.config import DemandSizing, PoolConfig
from prefork.policy.demand import Load, need
from prefork.policy.limits import Limits
from prefork.policy.model import Phase
from prefork.policy.units import NS
from tests.property.counts import members
from tests.property.test_over_time import calm
from tests.property.world import World

MICRO = 1_000_000
SPAWN_NS = NS // 5

loads = st.builds(
    Load,
    sessions=st.integers(0, 500),
    shut=st.integers(0, 50),
    queue=st.integers(0, 500),
    rate=st.integers(0, 5000 * MICRO),
    tau_ns=st.integers(1, 100 * NS) | st.integers(1, NS),
    ahead_ns=st.integers(0, 2 * NS),
    busy=st.integers(0, 100 * MICRO),
)


@settings(max_examples=600)
@given(
    load=loads,
    cap=st.integers(0, 12),
    sizing=st.builds(
        DemandSizing,
        headroom=st.floats(0, 5),
        target_wait=st.floats(0.001, 2),
        min_spare=st.none() | st.integers(0, 9),
        max_spare=st.none() | st.integers(9, 99),
    ),
    bounds=st.tuples(st.integers(0, 20), st.integers(20, 2000)),
    more=st.integers(1, 10**9),
)
def test_need_never_falls_as_queue_arrivals_headroom_min_or_max_grow(
    load: Load, cap: int, sizing: DemandSizing, bounds: tuple[int, int], more: int
) -> None:
    """15. At a fixed tau."""
    low, high = bounds
    limits = Limits.of(PoolConfig(max_workers=high, max_sessions=cap, sizing=sizing, min_workers=max(1, low)))
    limits = limits._replace(min_workers=low)
    load = load._replace(shut=min(load.shut, load.sessions))
    census = Census([], [], [], 0, 0, 0, cap, open=3, sessions=load.sessions, open_sessions=load.sessions - load.shut)
    needed = need(load, limits, census)
    larger = [
        (load._replace(queue=load.queue + more % 100 + 1), limits),
        (load._replace(rate=load.rate + more), limits),
        (load._replace(busy=load.busy + more), limits),
        (load, limits._replace(headroom_ppm=limits.headroom_ppm + more)),
        (load, limits._replace(min_workers=min(high, low + more % 100))),
        (load, limits._replace(max_workers=high + more % 100)),
    ]
    for more_load, higher in larger:
        assert need(more_load, higher, census) >= needed


def rush(config: PoolConfig, seconds: float) -> World:
    """A pool that has been at its max for so long, with sessions of a second."""
    world = World(config)
    world.settle()
    world.goal(queue=10 * config.max_workers)
    world.settle()
    for _ in range(round(seconds)):
        for name in world.ids(Phase.SERVING):
            world.sessions(name, 0)
            world.sessions(name, 1)
        world.look()
        world.wait(NS)
        world.beat()
    return world


@pytest.mark.parametrize("max_workers", [1, 7, 40, 100])
@pytest.mark.parametrize("hold", [0.0, 10.0, 30.0])
def test_when_load_falls_to_nothing_the_pool_is_at_its_min_in_time(max_workers: int, hold: float) -> None:
    """19. Within hold, a tenth a second, and ten seconds."""
    config = PoolConfig(min_workers=1, max_workers=max_workers, max_sessions=1, sizing=DemandSizing(hold=hold))
    world = rush(config, 40)
    assert len(members(world.view)) == max_workers
    world.goal(queue=0)
    for name in world.ids(Phase.SERVING):
        world.sessions(name, 0)
    began = world.view.now
    bound = max(hold, 2) + math.ceil(math.log(max_workers) / math.log(1 / 0.9)) + 10
    for _plan in calm(world, round(bound * NS)):
        if len(members(world.view)) == 1:
            break
    assert len(members(world.view)) == 1
    assert world.view.now - began <= bound * NS


@pytest.mark.parametrize(("min_workers", "max_workers"), [*product([0, 1, 2], [1, 4, 5, 32, 100]), (0, 1000)])
def test_when_load_is_above_capacity_the_pool_is_at_its_max_in_time(max_workers: int, min_workers: int) -> None:
    """20. It doubles in each time of a birth: ceil(log2(max / 4)) + 2 of them."""
    low = min(min_workers, max_workers)
    config = PoolConfig(min_workers=low, max_workers=max_workers, max_sessions=1, sizing=DemandSizing())
    world = World(config)
    world.settle()
    world.goal(queue=10 * max_workers, spawn_ns=SPAWN_NS)
    births = 0
    while len(world.ids(Phase.SERVING)) < max_workers:
        while world.look().decisions:
            world.all_born()
        world.wait(SPAWN_NS)
        births += 1
        world.all_ready()
        world.beat()
        for name in world.ids(Phase.SERVING):
            world.sessions(name, 1)
    assert births <= math.ceil(math.log2(max(1, max_workers / 4))) + 2


def test_a_pool_of_few_places_each_comes_to_rest_under_any_constant_load() -> None:
    """21. Finitely many decisions, whatever the sessions are, and no look once everybody is gone."""
    for cap in (0, 1, 10):
        world = rush(PoolConfig(min_workers=1, max_workers=20, max_sessions=cap, sizing=DemandSizing(hold=5)), 20)
        world.goal(queue=0)
        for _ in calm(world, 2000 * NS):
            pass
        assert [plan.decisions for plan in calm(world, 500 * NS) if plan.decisions] == []
        for name in world.ids(Phase.SERVING):
            world.sessions(name, 0)
        for _ in calm(world, 200 * NS):
            pass
        assert len(members(world.view)) == 1
        plan = world.look()
        assert plan.next_check_at is None or plan.next_check_at > world.view.now + 5 * NS
