"""Decision tables: who is replaced, by when, and what that does to the size of the pool."""

from __future__ import annotations

from typing import Any

import pytest

from prefork.policy.config import CrashConfig, PoolConfig, RecycleConfig, SpareSizing, StaticSizing
from prefork.policy.jitter import served_limit
from prefork.policy.limits import Limits
from prefork.policy.model import MoldPhase, MoldView, PoolView, WorkerId
from tests.unit.policy.pools import NOW, STARTED, booting, busy, draining, plan_for, pool, s, said, serving

SPENT: dict[str, Any] = {"accepted": 9, "spent": True}


def recycling(**recycle: Any) -> PoolConfig:
    return PoolConfig(
        min_workers=2,
        max_workers=4,
        sizing=SpareSizing(min_spare=0, max_spare=4),
        recycle=RecycleConfig(**({"jitter": 0, "max_unavailable": 0.5} | recycle)),
    )


NEW = MoldView(2, MoldPhase.READY, NOW)
OLD = {"generation": 2, "molds": (NEW,)}


@pytest.mark.parametrize(
    ("config", "view", "expected"),
    [
        pytest.param(recycling(max_age=100), pool(busy(1), busy(2, 9)), ["spawn for 1 max_age"], id="age"),
        pytest.param(recycling(max_age=101), pool(busy(1), busy(2, 9)), [], id="not yet of age"),
        pytest.param(
            recycling(max_served=5), pool(busy(1, accepted=5), busy(2)), ["spawn for 1 max_served"], id="served"
        ),
        pytest.param(recycling(max_rss=5), pool(busy(1, rss=6), busy(2, rss=5)), ["spawn for 1 max_rss"], id="memory"),
        pytest.param(recycling(max_rss=5), pool(busy(1, rss=9, boot_rss=6), busy(2)), [], id="memory it was born with"),
        pytest.param(
            recycling(), pool(busy(1), busy(2, generation=2), **OLD), ["spawn for 1 old_generation"], id="generation"
        ),
        pytest.param(
            recycling(max_age=50, max_surge=4),
            pool(busy(1, 99), busy(2, 98), busy(3, 97), busy(4, 9, generation=0)),
            ["spawn for 4 old_generation", "spawn for 1 max_age", "2 replace withheld max_unavailable"],
            id="the older generation first, then the most overdue, no more than the budget",
        ),
        pytest.param(
            recycling(max_age=50, max_surge=4),
            pool(busy(1, 60), busy(2, 99), busy(3, 70), busy(4, 80)),
            ["spawn for 2 max_age", "spawn for 4 max_age", "2 replace withheld max_unavailable"],
            id="the most overdue first, whatever their ids",
        ),
        pytest.param(
            recycling(max_rss=5),
            pool(busy(1, rss=6, boot_rss=5), busy(2)),
            ["spawn for 1 max_rss"],
            id="born at it",
        ),
        pytest.param(
            recycling(max_age=50, max_served=1),
            pool(busy(1, 99, accepted=9), busy(2, 9)),
            ["spawn for 1 max_served"],
            id="the limit that is passed by most is the reason",
        ),
        pytest.param(
            recycling(max_age=50),
            pool(busy(1), busy(2, 9), booting(3, replaces=WorkerId(1))),
            [],
            id="one that is being replaced waits for its successor",
        ),
        pytest.param(
            recycling(max_age=50),
            pool(busy(1), busy(2, 9), busy(3, 2, replaces=WorkerId(1))),
            ["drain 1 max_age"],
            id="once the successor serves, it drains",
        ),
        pytest.param(
            recycling(),
            pool(busy(1), busy(2, 9), busy(3, 2, replaces=WorkerId(1))),
            ["drain 1 replaced"],
            id="even if the limit is no longer set",
        ),
        pytest.param(
            recycling(max_age=50, max_unavailable=1, max_surge=1),
            pool(*(busy(n) for n in (1, 2, 3, 4))),
            ["spawn for 1 max_age", "3 replace withheld max_surge"],
            id="replacements go over max by the surge alone",
        ),
        pytest.param(
            recycling(max_age=50),
            pool(busy(1), busy(2), molds=()),
            ["start_mold 1 mold_gone", "2 replace withheld no_mold"],
            id="no mold: no replacement",
        ),
        pytest.param(
            recycling(max_age=50),
            pool(busy(1), busy(2, 9), paused=True),
            ["spawn for 1 max_age"],
            id="paused pools recycle",
        ),
        pytest.param(recycling(max_age=50), pool(booting(1), booting(2)), [], id="a booting worker isn't recycled"),
        pytest.param(
            recycling(max_age=50),
            pool(busy(1), busy(2), booting(3), booting(4)),
            ["spawn for 1 max_age", "1 replace withheld max_unavailable"],
            id="the budget is a share of those that serve",
        ),
        pytest.param(
            recycling(max_age=50, max_surge=4),
            pool(busy(1), busy(2), busy(3), busy(4, replaces=WorkerId(3)), busy(5, 9, replaces=WorkerId(9))),
            ["drain 3 max_age", "spawn for 1 max_age", "spawn for 2 max_age", "1 replace withheld max_unavailable"],
            id="who has been relieved is out of the budget",
        ),
        pytest.param(
            recycling(max_age=50, max_surge=4),
            pool(busy(1), busy(2), busy(3), busy(4, 9), booting(5, replaces=WorkerId(1))),
            ["spawn for 2 max_age", "1 replace withheld max_unavailable"],
            id="who is being replaced still serves",
        ),
        pytest.param(
            recycling(max_age=500),
            pool(busy(1), busy(3, 9, replaces=WorkerId(1)), booting(4, replaces=WorkerId(1))),
            ["drain 1 replaced"],
            id="of two successors one is enough",
        ),
        pytest.param(
            recycling(max_age=500),
            pool(busy(1), booting(4, replaces=WorkerId(1)), busy(3, 9, replaces=WorkerId(1))),
            ["drain 1 replaced"],
            id="whichever",
        ),
        pytest.param(
            recycling(),
            pool(booting(1), busy(2, generation=2), **OLD),
            [],
            id="a booting one has its time to serve first",
        ),
        pytest.param(
            recycling(max_age=50, max_surge=4),
            pool(busy(1), busy(2), busy(3)),
            ["spawn for 1 max_age", "2 replace withheld max_unavailable"],
            id="the budget is rounded down",
        ),
        pytest.param(recycling(), pool(busy(1, **SPENT), busy(2)), ["spawn for 1 max_served"], id="spent"),
        pytest.param(
            recycling(), pool(busy(1, accepted=0, spent=True), busy(2)), ["spawn for 1 max_served"], id="spent at once"
        ),
        pytest.param(
            recycling(max_served=50),
            pool(busy(1, **SPENT), busy(2)),
            ["spawn for 1 max_served"],
            id="spent, whatever the limit is now",
        ),
    ],
)
def test_recycling(config: PoolConfig, view: PoolView, expected: list[str]) -> None:
    assert said(plan_for(config, view)) == expected


def test_age_is_looked_at_in_time() -> None:
    plan = plan_for(recycling(max_age=110), pool(busy(1, heard_at=NOW), busy(2, 9)))
    assert plan.next_check_at == NOW + s(10)


def test_a_limit_of_another_kind_asks_for_no_look() -> None:
    plan = plan_for(recycling(max_served=5), pool(busy(1, 0, heard_at=NOW), busy(2, 9, heard_at=NOW)))
    assert plan.next_check_at == NOW + s(30)


def test_jitter_spreads_workers_that_were_born_together() -> None:
    config = recycling(max_age=110, jitter=0.5, max_unavailable=1, max_surge=40)
    plan = plan_for(config, pool(*map(busy, (1, 2, 3, 4))))
    assert 0 < len(plan.decisions) < 4


SPARE = PoolConfig(
    min_workers=2,
    max_workers=6,
    sizing=SpareSizing(min_spare=2, max_spare=4),
    recycle=RecycleConfig(max_served=9, jitter=0, max_unavailable=1, max_surge=1),
)
HALF = SPARE.recycle.model_copy(update={"max_unavailable": 0.5})
CAP_TEN = SPARE.model_copy(update={"max_sessions": 10})


@pytest.mark.parametrize(
    ("config", "view", "expected"),
    [
        pytest.param(
            SPARE,
            pool(serving(1, **SPENT), serving(2)),
            ["spawn for 1 max_served"],
            id="a spent worker is no spare, and its successor is one",
        ),
        pytest.param(
            SPARE,
            pool(busy(1, **SPENT), busy(2)),
            ["spawn few_spares", "spawn for 1 max_served"],
            id="what successors don't make up is born",
        ),
        pytest.param(
            SPARE,
            pool(serving(1, accepted=9), serving(2)),
            ["spawn for 1 max_served"],
            id="a spare's successor takes its place",
        ),
        pytest.param(
            SPARE,
            pool(*(busy(n, **SPENT) for n in range(1, 6)), serving(6)),
            ["spawn for 1 max_served", "4 replace withheld max_surge"],
            id="the surge bounds them",
        ),
        pytest.param(
            SPARE,
            pool(*(busy(n, **SPENT) for n in (1, 2, 3)), busy(4), draining(5)),
            ["spawn few_spares", "spawn for 1 max_served", "2 replace withheld max_surge"],
            id="a birth that is still needed goes before the next of them",
        ),
        pytest.param(
            SPARE,
            pool(*(busy(n, **SPENT) for n in (1, 2)), queue=9),
            ["spawn few_spares", "spawn for 1 max_served", "spawn for 2 max_served"],
            id="a queue asks for one more",
        ),
        pytest.param(
            CAP_TEN,
            pool(serving(1, sessions=5, **SPENT), serving(2)),
            ["spawn for 1 max_served"],
            id="a spent worker's free places are none",
        ),
        pytest.param(
            CAP_TEN,
            pool(serving(1, sessions=5, accepted=9), serving(2), serving(3, sessions=9)),
            ["spawn for 1 max_served"],
            id="of the places that come, those that go are taken off",
        ),
        pytest.param(
            CAP_TEN,
            pool(serving(1, sessions=4, accepted=9), serving(2, sessions=7)),
            ["spawn few_spares", "spawn for 1 max_served"],
            id="places are counted in whole workers",
        ),
    ],
)
def test_a_successor_is_a_coming_spare(config: PoolConfig, view: PoolView, expected: list[str]) -> None:
    plan = plan_for(config, view)
    assert said(plan) == expected


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        pytest.param([busy(1, **SPENT)], ["spawn probe", "1 replace withheld crash_tokens"], id="births come first"),
        pytest.param([busy(1, **SPENT), busy(2)], ["spawn for 1 max_served"], id="with none, a successor is the probe"),
        pytest.param(
            [busy(1, **SPENT), busy(2, **SPENT)],
            ["spawn for 1 max_served", "1 replace withheld crash_tokens"],
            id="one of them",
        ),
        pytest.param(
            [busy(1, **SPENT), busy(2, **SPENT), booting(3, 9, replaces=WorkerId(1))],
            ["1 replace withheld max_unavailable"],
            id="which is told only if it is what is missing",
        ),
    ],
)
def test_a_degraded_pool_has_one_birth_for_all(workers: list[Any], expected: list[str]) -> None:
    config = PoolConfig(min_workers=2, sizing=StaticSizing(), recycle=HALF, crash=CrashConfig(burst=0))
    memory = STARTED._replace(degraded_at=NOW - s(1), probe_at=NOW)
    assert said(plan_for(config, pool(*workers), memory)) == expected


def test_a_successor_makes_nobody_a_surplus_whom_the_queue_asks_for() -> None:
    config = PoolConfig(min_workers=0, max_workers=3, max_sessions=2, sizing=SpareSizing(hold=0))
    memory = STARTED._replace(generation=2, newest_mold=2, last_now=NOW, window_since=NOW - s(5), window=((NOW, 1),))
    successor = booting(3, 0, generation=2, replaces=WorkerId(1))
    plan = plan_for(config, pool(busy(1), serving(2), successor, queue=2, **OLD), memory)
    assert said(plan) == ["1 replace withheld max_unavailable"]


def test_of_equally_missed_workers_the_spent_go_first() -> None:
    config = PoolConfig(min_workers=1, max_workers=9)
    workers = (serving(1, 50), serving(2, 99, **SPENT), serving(3, 10))
    assert said(plan_for(config, pool(*workers, scale=2))) == ["retire 2 surplus"]


def test_a_spent_worker_that_is_idle_for_too_long_retires() -> None:
    config = PoolConfig(min_workers=1, recycle=RecycleConfig(max_idle=60), sizing=SpareSizing(min_spare=1, max_spare=9))
    view = pool(serving(1, 70, **SPENT), serving(2, 9), serving(3, 9))
    assert said(plan_for(config, view)) == ["retire 1 max_idle"]


def test_the_limit_of_a_worker_is_its_own_and_never_over_the_configs() -> None:
    limits = Limits.of(recycling(max_served=1000, jitter=0.1))
    drawn = [served_limit(limits, 7, WorkerId(name)) for name in range(1, 200)]
    assert max(drawn) <= 1000
    assert min(drawn) >= 900
    assert len(set(drawn)) > 50
    assert served_limit(Limits.of(recycling(max_served=1, jitter=1)), 7, WorkerId(1)) == 1
    assert served_limit(Limits.of(recycling()), 7, WorkerId(1)) == 0


@pytest.mark.parametrize("name", range(1, 9))
def test_the_policy_calls_a_worker_overdue_at_the_number_that_its_gate_is_told(name: int) -> None:
    config = recycling(max_served=100, jitter=0.5)
    limit = served_limit(Limits.of(config), 7, WorkerId(name))
    for accepted, expected in ((limit - 1, []), (limit, [f"spawn for {name} max_served"])):
        assert said(plan_for(config, pool(busy(name, accepted=accepted), busy(99, 9)))) == expected
