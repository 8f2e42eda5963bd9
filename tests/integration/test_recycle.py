"""Workers are replaced under load, for each reason: no session is lost; budget and surge hold at every look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig, SpareSizing
from prefork.policy.model import Phase, PoolView
from prefork.policy.units import NS
from tests.apps.seed import Brief, Hoarding, Leaking, Long
from tests.client import Client
from tests.hammer import Hammer
from tests.live import looks, serving, static

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool
    from tests.live import Start


def being_replaced(view: PoolView) -> int:
    """How many workers have a successor and don't drain yet."""
    successors = {worker.replaces for worker in view.workers if worker.phase in (Phase.BOOTING, Phase.SERVING)}
    return sum(worker.phase is Phase.SERVING and worker.id in successors for worker in view.workers)


def turned_over(first: int) -> Callable[[PoolView], bool]:
    """Nobody with a lower number is left."""
    return lambda view: bool(view.workers) and min(worker.id for worker in view.workers) >= first


def all_of(generation: int) -> Callable[[PoolView], bool]:
    """Four workers, all of this generation."""
    return lambda view: [worker.generation for worker in view.workers] == [generation] * 4


def reasons(pool: LivePool, kind: str) -> set[str]:
    return {row["reason"] for row in pool.status()["decisions"] if row["kind"] == kind}


@pytest.mark.parametrize(
    ("app", "recycle", "reason"),
    [
        pytest.param(Brief, {"max_age": "300ms"}, "max_age", id="age"),
        pytest.param(Brief, {"max_served": 20}, "max_served", id="served"),
        pytest.param(Leaking, {"max_rss": "44MiB"}, "max_rss", id="memory"),
    ],
)
def test_a_pool_is_replaced_again_and_again_without_a_lost_session(
    prefork_pool: Start, app: type[Brief], recycle: dict[str, object], reason: str
) -> None:
    config = static(4, heartbeat_interval="50ms", heartbeat_timeout="10s", recycle=recycle)
    pool = prefork_pool(app, pool=config)
    with Hammer(pool) as hammer:
        for view in looks(pool, turned_over(9), timeout=20):
            assert being_replaced(view) <= 1  # a tenth of 4, at least one
            assert len(view.workers) <= 4 + 1  # a quarter of 4
            assert serving(view) >= 4
    hammer.check(at_least=100)
    assert len(hammer.by_pid) > 8
    assert reasons(pool, "drain") <= {reason, "replaced"}
    assert reasons(pool, "spawn") <= {"static_size", reason, "start"}
    assert not reasons(pool, "kill")


def test_a_reload_under_load_loses_no_session(prefork_pool: Start) -> None:
    pool = prefork_pool(Long, pool=static(4))
    with Hammer(pool) as hammer:
        for generation in (2, 3):
            pool.ask("reload")
            for view in looks(pool, all_of(generation), timeout=20):
                assert being_replaced(view) <= 1
                assert len(view.workers) <= 5
                assert serving(view) >= 4
    hammer.check(at_least=20)
    assert reasons(pool, "drain") == {"old_generation"}


@pytest.mark.parametrize(("share", "budget"), [(0.2, 2), (0.5, 5)])
def test_max_unavailable_is_how_many_are_replaced_at_one_time(prefork_pool: Start, share: float, budget: int) -> None:
    config = static(10, recycle={"max_unavailable": share, "max_surge": "100%"})
    pool = prefork_pool(Brief, pool=config)
    most = 0
    with Hammer(pool) as hammer:
        pool.ask("reload")
        for view in looks(pool, turned_over(11), timeout=20):
            most = max(most, being_replaced(view))
            assert being_replaced(view) <= budget
    assert most >= 1
    hammer.check(at_least=20)


@pytest.mark.parametrize("surge", [1, 3])
def test_max_surge_is_how_many_workers_there_are_over_max_workers(prefork_pool: Start, surge: int) -> None:
    """Sessions are long here, so those who drain take up the room of the next replacement."""
    config = static(6, max_sessions=2, recycle={"max_unavailable": 1, "max_surge": surge})
    pool = prefork_pool(Long, pool=config)
    most, held = 0, set()
    with Hammer(pool, clients=10) as hammer:
        pool.ask("reload")
        for view in looks(pool, turned_over(7), timeout=20):
            most = max(most, len(view.workers))
            held |= {row["reason"] for row in pool.status()["withheld"] if row["want"] == "replace"}
            assert len(view.workers) <= 6 + surge
            assert serving(view) >= 6
    assert most == 6 + surge
    assert held <= {"max_surge", "max_unavailable"}
    hammer.check(at_least=20)


def test_workers_born_together_go_one_by_one_by_their_jitter(prefork_pool: Start) -> None:
    """Neither budget nor surge keeps them apart here."""
    recycle = {"max_age": "1s", "jitter": 0.5, "max_unavailable": 1, "max_surge": "100%"}
    pool = prefork_pool(Brief, pool=static(6, recycle=recycle))
    with Hammer(pool) as hammer:
        for view in looks(pool, turned_over(7), timeout=20):
            assert serving(view) >= 6
    hammer.check(at_least=100)
    rows = [row for row in pool.status()["decisions"] if row["kind"] == "drain" and row["worker"] <= 6]
    limits = [row["figures"]["limit"] for row in rows]
    assert len(set(limits)) == 6
    assert all(NS // 2 <= limit <= NS for limit in limits)
    ages = [row["figures"]["used"] for row in rows]
    assert all(age >= limit for age, limit in zip(ages, limits, strict=True))
    assert max(ages) - min(ages) > NS // 50


def test_who_is_idle_for_too_long_goes_down_to_the_minimum_and_nobody_else_does(prefork_pool: Start) -> None:
    config = PoolConfig.model_validate(
        {
            "min_workers": 2,
            "start_workers": 8,
            "max_workers": 12,
            "max_sessions": 1,
            "sizing": SpareSizing(min_spare=1, max_spare=12),
            "recycle": {"max_idle": "200ms"},
        }
    )
    pool = prefork_pool(Long, pool=config)
    with Hammer(pool, clients=1) as hammer:
        for view in looks(pool, lambda view: len(view.workers) <= 3 and hammer.served >= 5, timeout=20):
            assert serving(view) >= 2
    hammer.check(at_least=5)
    pool.wait_for(lambda view: len(view.workers) == 2)
    assert reasons(pool, "retire") == {"max_idle"}
    assert not reasons(pool, "drain") | reasons(pool, "kill")


def test_over_hard_rss_a_worker_is_killed_and_no_session_but_its_own_is_lost(prefork_pool: Start) -> None:
    config = static(2, max_sessions=1, heartbeat_interval="50ms", recycle={"hard_rss": "96MiB"})
    pool = prefork_pool(Hoarding, pool=config)
    with Client(pool) as greedy, Client(pool) as modest:
        assert [greedy.ask("hello"), modest.ask("hello")] == ["hello"] * 2
        greedy.say("hoard")
        assert greedy.hear() is None
        assert modest.ask("hello") == "hello"
        pool.wait_for(lambda view: serving(view) == 2 and len(view.workers) == 2)
    assert reasons(pool, "kill") == {"hard_rss"}
