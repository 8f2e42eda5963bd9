"""Small pools to search from, three workers and two places each, and the kinds of events that go together."""

from __future__ import annotations

from typing import NamedTuple

from prefork.policy.config import (
    CrashConfig,
    DemandSizing,
    PoolConfig,
    RecycleConfig,
    Sizing,
    SpareSizing,
    StaticSizing,
)
from prefork.policy.model import Phase
from prefork.policy.units import NS
from tests.property.world import World

LOAD = "ready, accept, close, decline, gone, next look, second and beat, queue 3, queue 0"
ENDS = "ready, crash, not forked, killed, segfault, gone, next look"
MOLDS = "ready, accept, gone, reload, mold ready, mold fails, mold gone, next look and beat"
STOPS = "ready, ready but unheard, gone, ask to drain, stop, stop at once, second, next look, freeze"
ORDERS = (
    "ready, accept, decline, gone, scale 1, scale 3, scale None, lower max, pause or resume, "
    "pause or resume the pool, next look and beat"
)
EVERYTHING = ""


class Small(NamedTuple):
    """A pool, and what a reload would lower it to."""

    config: PoolConfig
    lowered: PoolConfig

    def settled(self, *, indebted: bool = False) -> World:
        """At rest, with somebody who serves; `indebted`: after more kills from outside than its bucket holds."""
        world = World(self.config)
        world.goal(queue=0 if self.config.min_workers else 2)
        world.settle()
        assert world.ids(Phase.SERVING)
        if indebted:
            spent = (world.limits.outside_burst + 1) * world.limits.refill_ns
            world.memory = world.memory._replace(outside_spent_ns=spent)
        return world


def consolidated() -> World:
    """A pool that follows its load, after a rush: three workers hold a session each, and two of them are paused."""
    world = rested()
    for name in world.ids(Phase.SERVING):
        world.sessions(name, 1)
    world.goal(arrivals=world.view.arrivals + 100, completions=world.view.completions + 100)  # the rush was short
    for _ in range(100):
        world.look()
        if len([worker for worker in world.view.workers if worker.paused_by]) == 2:
            return world
        world.wait(NS)
        world.beat()
    raise AssertionError("nobody is paused")


def rested() -> World:
    """The same pool when all have gone: three workers, and one is enough."""
    world = DEMAND.settled()
    world.goal(queue=6)
    world.settle()
    world.goal(queue=0)
    return world


def _small(low: int, sizing: Sizing, lowered: Sizing, recycle: RecycleConfig) -> Small:
    config = PoolConfig(
        min_workers=low,
        max_workers=3,
        max_sessions=2,
        heartbeat_interval=1,
        heartbeat_timeout=3,
        import_timeout=2,
        boot_timeout=2,
        drain_timeout=2,
        sizing=sizing,
        recycle=recycle,
        crash=CrashConfig(burst=1, refill=2, healthy_after=2, max_delay=4),
    )
    return Small(config, config.model_copy(update={"max_workers": 1, "sizing": lowered}))


SPARE = _small(
    1,
    SpareSizing(min_spare=1, max_spare=2, hold=1),
    SpareSizing(min_spare=1, max_spare=1, hold=1),
    RecycleConfig(max_served=3, jitter=0, max_surge=1),
)
STATIC = _small(
    1,
    StaticSizing(workers=2),
    StaticSizing(workers=1),
    RecycleConfig(max_age=3, jitter=0, max_surge=1, max_unavailable=1),
)
ZERO = _small(0, SpareSizing(hold=0), SpareSizing(hold=0), RecycleConfig(max_idle=2, jitter=0))
TIMID = _small(
    1,
    StaticSizing(workers=3),
    StaticSizing(workers=1),
    RecycleConfig(max_age=3, jitter=0.5, max_surge=2, max_unavailable=0.1),
)
SPENDING = _small(
    1,
    SpareSizing(min_spare=2, max_spare=3, hold=1),
    SpareSizing(min_spare=1, max_spare=1, hold=1),
    RecycleConfig(max_served=1, jitter=0, max_surge=1),
)
DEMAND = _small(1, DemandSizing(hold=1), DemandSizing(hold=0, max_spare=0), RecycleConfig(max_idle=2, jitter=0))
