"""The seed's defects of size: how many workers there are, and who goes. Numbered as in the seed's list."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from prefork import DemandSizing, PoolConfig, RecycleConfig, SpareSizing
from prefork.policy.demand import MOLD_AHEAD
from prefork.policy.engine import decide
from prefork.policy.model import Phase, Retire, Spawn
from prefork.policy.units import NS
from tests.apps.lines import Echo, Second
from tests.client import Client
from tests.live import looks, serving, sessions, static
from tests.property.world import World
from tests.unit.policy.pools import STARTED, busy, draining, pool, said
from tests.unit.policy.pools import serving as idle

if TYPE_CHECKING:
    from prefork.policy.config import Sizing
    from tests.live import Start


def started(config: PoolConfig) -> World:
    """A pool at rest, with its workers serving."""
    world = World(config)
    world.settle()
    return world


def test_01_births_stop_at_max_workers(prefork_pool: Start) -> None:
    """The seed: with MaxServer=4 and every worker busy, 4 -> 30 workers in 14 s, for births followed every trim."""
    live = prefork_pool(Echo, pool=PoolConfig(min_workers=2, max_workers=4, max_sessions=1))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(live)) for _ in range(30)]
        for _ in looks(live, lambda view: sessions(view) == 4 and view.queue == 26):
            assert len(live.view().workers) <= 4
        for turn in range(26):  # each end of a session is a moment at which the pool is judged anew
            clients[turn].close()
            for view in looks(live, lambda view, turn=turn: view.queue == 25 - turn and sessions(view) == 4):  # type: ignore[misc]
                assert len(view.workers) <= 4
        live.signal(signal.SIGTTIN)
        view = live.wait_for(lambda view: view.scale is not None)
        assert [worker.id for worker in view.workers] == [1, 2, 3, 4]  # never reused: in the whole run four were born
    assert {row["reason"] for row in live.status()["withheld"]} <= {"at_max"}


def test_01_births_stop_at_max_workers_over_14_seconds_of_a_full_pool() -> None:
    """The seed: 30 births in 14 s; the ends of workers that drain made room for more."""
    world = started(PoolConfig(min_workers=2, max_workers=4, max_sessions=1))
    for tenth in range(140):
        world.wait(NS // 10)
        world.beat()
        for name in world.ids(Phase.SERVING):
            world.sessions(name, 1)
        world.goal(queue=26 + tenth)
        world.look()
        assert len(world.view.workers) <= 4
        world.all_ready()
    assert world.next_id == 5


def test_01_draining_workers_count_against_max_workers(prefork_pool: Start) -> None:
    """The seed: a worker that was told to go was forgotten, and another one born beside it."""
    live = prefork_pool(Second, pool=PoolConfig(min_workers=4, max_workers=4, max_sessions=1))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(live)) for _ in range(4)]
        old = live.wait_for(lambda view: sessions(view) == 4)
        for pid in live.worker_pids().values():
            os.kill(pid, signal.SIGTERM)
        for view in looks(live, lambda view: min(worker.id for worker in view.workers) > 4 and serving(view) == 4):
            assert len(view.workers) <= 4
        assert [client.hear() for client in clients] == ["done"] * 4
    assert len(old.workers) == 4


def test_02_the_victim_of_a_trim_is_idle(prefork_pool: Start) -> None:
    """The seed: the victim is hash order; in 10 of 16 trims it was a busy worker."""
    sizing = SpareSizing(min_spare=1, max_spare=1, hold=0.1)
    live = prefork_pool(Echo, pool=PoolConfig(min_workers=1, max_workers=24, max_sessions=1, sizing=sizing))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(live)) for _ in range(20)]
        pids = [client.ask("pid") for client in clients]
        assert len(set(pids)) == 20
        began = time.monotonic()
        for client in clients[1::5] + clients[2::5] + clients[3::5] + clients[4::5]:
            client.close()
        live.wait_for(lambda view: len(view.workers) == 5)
        assert [client.ask("pid") for client in clients[::5]] == pids[::5]
        status, seconds = live.status(), time.monotonic() - began
    trims = [row for row in status["decisions"] if row["kind"] == "retire" and row["at_s"] < seconds]
    assert {row["reason"] for row in trims} == {"surplus"}
    retired = {row["worker"] for row in trims}  # before, a spare may have been told to go that then took a client
    assert len(retired) >= 16
    assert not retired & {row["id"] for row in status["workers"] if row["sessions"]}
    assert not [row for row in status["decisions"] if row["kind"] in ("drain", "kill")]


def test_02_the_victim_of_a_trim_is_idle_whatever_the_order() -> None:
    """The seed: whom a hash's order named."""
    config = PoolConfig(min_workers=1, max_workers=9, sizing=SpareSizing(min_spare=1, max_spare=9))
    for order in permutations([busy(1), idle(2, 50), busy(3), idle(4, 9)]):
        plan = decide(config, pool(*order, scale=2), STARTED)
        assert [(type(each), each.worker) for each in plan.decisions if not isinstance(each, Spawn)] == [  # type: ignore[union-attr]
            (Retire, 4),
            (Retire, 2),
        ]


def test_04_draining_workers_are_replaced_at_once(prefork_pool: Start) -> None:
    """The seed: with MinServer=3, three draining workers counted as three workers, and nobody listened for a second."""
    config = static(3, min_workers=3, max_workers=9, max_sessions=1)
    live = prefork_pool(Second, pool=config)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(live)) for _ in range(3)]
        live.wait_for(lambda view: sessions(view) == 3)
        for pid in live.worker_pids().values():
            os.kill(pid, signal.SIGTERM)
        view = live.wait_for(lambda view: serving(view) == 3 and len(view.workers) == 6)
        assert [worker.phase for worker in view.workers] == [Phase.DRAINING] * 3 + [Phase.SERVING] * 3
        clients.append(stack.enter_context(Client(live)))
        for view in looks(live, lambda view: len(view.workers) == 3):
            assert serving(view) == 3
        assert [client.hear() for client in clients] == ["done"] * 4


def test_04_draining_workers_are_neither_workers_nor_spares() -> None:
    """The seed: with MinServer=3, three draining workers were three workers and three spares."""
    config = PoolConfig(min_workers=3, max_workers=9, sizing=SpareSizing(min_spare=3, max_spare=9))
    view = pool(draining(1), draining(2), draining(3))
    assert said(decide(config, view, STARTED)) == ["spawn below_min"] * 3


def test_07_an_idle_pool_stays_as_it_is(prefork_pool: Start) -> None:
    """The seed: MaxServerSpareTime ended never-used workers at once: 35 distinct workers in 12 s on an idle pool."""
    recycle = RecycleConfig(max_idle=0.4)
    sizing = SpareSizing(min_spare=2, max_spare=5)
    live = prefork_pool(
        Echo, pool=PoolConfig(min_workers=2, start_workers=5, max_workers=9, sizing=sizing, recycle=recycle)
    )
    began = live.view()
    ids: set[int] = set()
    for view in looks(live, lambda view: view.now >= began.now + 12 * NS // 8):
        ids |= {worker.id for worker in view.workers}
        early = [worker.id for worker in began.workers if view.now < (worker.idle_since or 0) + 0.4 * NS]
        assert set(early) <= {worker.id for worker in view.workers}, "gone before max_idle"
    assert ids == {1, 2, 3, 4, 5}
    assert len(live.view().workers) == 2  # the three above the minimum went after max_idle, and nobody was born for it


def test_07_an_idle_pool_stays_as_it_is_for_12_seconds() -> None:
    """The seed: 35 distinct workers in 12 s on an idle pool."""
    sizing = SpareSizing(min_spare=2, max_spare=5)
    recycle = RecycleConfig(max_idle=1)
    world = started(PoolConfig(min_workers=2, start_workers=5, max_workers=9, sizing=sizing, recycle=recycle))
    for tenth in range(120):
        assert len(world.view.workers) == (5 if tenth < 10 else 2)
        world.wait(NS // 10)
        world.beat()
        world.settle()
    assert world.next_id == 6


def test_17_a_burst_is_served_at_once(prefork_pool: Start) -> None:
    """The seed: a burst waits for the tick, 5 to 9 s with defaults."""
    live = prefork_pool(Echo, pool=PoolConfig(max_sessions=1))
    began = time.monotonic()
    with ExitStack() as stack:  # nobody asks the master for a view: that would wake it
        clients = [stack.enter_context(Client(live)) for _ in range(20)]
        assert [client.ask("hello") for client in clients] == ["hello"] * 20
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("sizing", "most"),
    [pytest.param(SpareSizing(), 18, id="spare"), pytest.param(DemandSizing(), MOLD_AHEAD, id="demand")],
)
def test_17_a_burst_is_answered_in_the_same_look(sizing: Sizing, most: int) -> None:
    """The seed: births came with the next tick, 5 to 9 s later with defaults. Demand keeps a mold's line short."""
    world = started(PoolConfig(max_sessions=1, sizing=sizing))
    for name in world.ids(Phase.SERVING):
        world.sessions(name, 1)
    world.goal(queue=18)
    births = [decision for decision in world.look().decisions if isinstance(decision, Spawn)]
    assert len(births) == most
