"""Each reason with all its figures: what a log line, `status` and `why` tell."""

from __future__ import annotations

from typing import Any

import pytest

from prefork.policy.config import CrashConfig, DemandSizing, PoolConfig, RecycleConfig, SpareSizing, StaticSizing
from prefork.policy.estimates import Estimates
from prefork.policy.memory import Memory, Plan
from prefork.policy.model import KillStep, MoldPhase, MoldView, Owner, PoolView, WorkerId
from tests.unit.policy.pools import (
    MOLD,
    NOW,
    STARTED,
    booting,
    busy,
    draining,
    ended,
    killed,
    plan_for,
    pool,
    s,
    serving,
)

Told = list[tuple[str, dict[str, Any]]]

ROOM = PoolConfig(min_workers=0, max_workers=9, recycle=RecycleConfig(hard_rss=2000))
STOP: dict[str, Any] = {"molds": (), "stop_at": NOW, "stop_by": NOW + s(9)}


def told(plan: Plan) -> Told:
    return [(str(said.because.reason), dict(said.because.figures)) for said in (*plan.decisions, *plan.withheld)]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(pool(busy(1), **STOP), [("stopping", {"sessions": 1, "stop_by": NOW + s(9)})], id="a stop drains"),
        pytest.param(
            pool(draining(1, 20), **STOP), [("stopping", {"sessions": 1, "stop_by": NOW + s(9)})], id="drains earlier"
        ),
        pytest.param(
            pool(busy(1), molds=(), stop_at=NOW - s(3), stop_by=NOW - s(2)),
            [("stopping", {"stop_by": NOW - s(2), "late_ns": s(2)})],
            id="a stop that is late kills",
        ),
        pytest.param(
            pool(draining(1, -1), **STOP),
            [("overstayed_drain", {"late_ns": s(1), "sessions": 1})],
            id="or one that overstayed",
        ),
        pytest.param(
            pool(killed(busy(1), ago=0.1), molds=(), stop_at=NOW, stop_by=NOW),
            [("stopping", {"stop_by": NOW, "late_ns": 0})],
            id="a stop at once ends a ladder",
        ),
        pytest.param(pool(draining(1, -2)), [("overstayed_drain", {"late_ns": s(2), "sessions": 1})], id="overstayed"),
        pytest.param(
            pool(killed(draining(1, -3), ago=3)),
            [("overstayed_drain", {"late_ns": s(3), "sessions": 1})],
            id="killed at the very deadline, it had overstayed",
        ),
        pytest.param(pool(booting(1, 31)), [("boot_timeout", {"boot_ns": s(31), "boot_timeout_ns": s(30)})], id="boot"),
        pytest.param(
            pool(serving(1, rss=2001, sessions=3)),
            [("hard_rss", {"rss_bytes": 2001, "hard_rss_bytes": 2000, "sessions": 3})],
            id="hard_rss",
        ),
        pytest.param(
            pool(busy(1, heard_at=NOW - s(31))),
            [("silent_blocked", {"silent_ns": s(31), "heartbeat_timeout_ns": s(30), "cpu_ns": "unknown"})],
            id="silent",
        ),
        pytest.param(
            pool(killed(busy(1, heard_at=NOW - s(31)), KillStep.ABORT)),
            [("silent_blocked", {"silent_ns": s(31), "heartbeat_timeout_ns": s(30), "cpu_ns": "unknown"})],
            id="and still so at the next step",
        ),
        pytest.param(
            pool(busy(1, drain_wanted=Owner.APP)), [("requested", {"owner": "app", "sessions": 1})], id="requested"
        ),
        pytest.param(pool(reload_wanted=True), [("reload", {"generation": 1})], id="reload"),
        pytest.param(pool(molds=()), [("mold_gone", {"generation": 1, "restarts": 0, "wait_ns": 0})], id="a lost mold"),
        pytest.param(
            pool(molds=(MOLD, MoldView(2, MoldPhase.STARTING, NOW - s(61)))),
            [("import_timeout", {"import_ns": s(61), "import_timeout_ns": s(60)})],
            id="an import that overstays",
        ),
        pytest.param(
            pool(molds=(MOLD, MoldView(2, MoldPhase.READY, NOW)), generation=2),
            [("mold_superseded", {"generation": 2})],
            id="a superseded mold",
        ),
        pytest.param(
            pool(molds=(MOLD._replace(phase=MoldPhase.ENDING), MoldView(2, MoldPhase.READY, NOW)), generation=2),
            [("mold_superseded", {"ending_ns": s(100)})],
            id="a mold that doesn't end",
        ),
        pytest.param(
            pool(molds=(MOLD._replace(phase=MoldPhase.ENDING),), stop_at=NOW, stop_by=NOW + s(9)),
            [("stopping", {"ending_ns": s(100)})],
            id="nor for a stop",
        ),
    ],
)
def test_figures_about_one_worker_or_mold(view: PoolView, expected: Told) -> None:
    assert told(plan_for(ROOM, view)) == expected


TWO = PoolConfig(min_workers=2, max_workers=4, sizing=SpareSizing(), crash=CrashConfig(burst=2))
DEGRADED = STARTED._replace(degraded_at=NOW - s(20), probe_at=NOW + s(3), failed_probes=4)
PROBE = DEGRADED._replace(probe_at=NOW)
TOKENS = {"crash_burst": 2, "failed_probes": 4, "probes": 0, "wait_ns": 0}


@pytest.mark.parametrize(
    ("view", "memory", "expected"),
    [
        pytest.param(pool(), DEGRADED, [("crash_tokens", TOKENS | {"wait_ns": s(3)})], id="a probe is waited for"),
        pytest.param(
            pool(booting(1), booting(2), queue=1),
            PROBE,
            [("crash_tokens", TOKENS | {"probes": 2})],
            id="probes out",
        ),
        pytest.param(
            pool(booting(1)),
            DEGRADED,
            [("crash_tokens", TOKENS | {"probes": 1, "wait_ns": s(3)})],
            id="one is, and the next is waited for",
        ),
        pytest.param(
            pool(),
            PROBE,
            [("probe", {"failed_probes": 4}), ("crash_tokens", TOKENS | {"probes": 1})],
            id="a probe, and it is the one",
        ),
        pytest.param(
            pool(busy(1), busy(2)),
            STARTED._replace(outside_spent_ns=s(201) + 1),
            [("outside_tokens", {"outside_burst": 20, "debt_ns": 1})],
            id="debt",
        ),
        pytest.param(
            pool(),
            STARTED._replace(fork_failures=3, fork_retry_at=NOW + s(1)),
            [("fork_failed", {"failures": 3, "wait_ns": s(1)})],
            id="forks that failed",
        ),
        pytest.param(
            pool(molds=(), generation=1),
            STARTED._replace(mold_restarts=1, mold_lost_at=NOW),
            [("mold_gone", {"generation": 1, "restarts": 1, "wait_ns": s(1)}), ("no_mold", {"generation": 1})],
            id="no mold",
        ),
        pytest.param(
            pool(exits=tuple(ended(seq, None, code=1) for seq in (1, 2, 3))),
            STARTED._replace(ever_ready=False),
            [("never_ready", {"crash_burst": 2})],
            id="nobody was ever ready",
        ),
        pytest.param(
            pool(generation=0, molds=()),
            Memory(),
            [("first_mold", {}), ("no_mold", {"generation": 0})],
            id="the first mold",
        ),
        pytest.param(pool(), Memory(generation=1), [("start", {"n": 0, "start_workers": 2})] * 2, id="start"),
        pytest.param(pool(booting(1)), STARTED, [("below_min", {"n": 1, "min_workers": 2})], id="below min"),
        pytest.param(
            pool(busy(1), serving(2), serving(3), queue=1),
            STARTED,
            [("few_spares", {"spare": 2, "min_spare": 2, "queue": 1, "n": 3})],
            id="few spares",
        ),
        pytest.param(
            pool(*map(busy, (1, 2, 3))),
            STARTED,
            [
                ("few_spares", {"spare": 0, "min_spare": 2, "queue": 0, "n": 3}),
                ("at_max", {"live": 3, "wanted": 2, "max_workers": 4}),
            ],
            id="at max",
        ),
        pytest.param(
            pool(busy(1), busy(2), scale=3),
            STARTED,
            [("scale", {"n": 2, "scale": 3, "min_workers": 2, "max_workers": 4})],
            id="scale",
        ),
        pytest.param(
            pool(busy(1), busy(2), serving(3), scale=2),
            STARTED,
            [("surplus", {"n": 3, "scale": 2, "min_workers": 2, "max_workers": 4})],
            id="scaled down",
        ),
        pytest.param(pool(busy(1), paused=True), STARTED, [("below_min", {"n": 1, "min_workers": 2})], id="refill"),
        pytest.param(
            pool(*map(busy, (1, 2, 3, 4)), booting(5)),
            STARTED,
            [("surplus", {"n": 5, "max_workers": 4}), ("at_max", {"live": 5, "wanted": 2, "max_workers": 4})],
            id="over max",
        ),
    ],
)
def test_figures_about_the_size(view: PoolView, memory: Memory, expected: Told) -> None:
    assert told(plan_for(TWO, view, memory)) == expected


def recycling(**recycle: Any) -> PoolConfig:
    limits = RecycleConfig(**({"jitter": 0} | recycle))
    return PoolConfig(min_workers=2, max_workers=4, sizing=SpareSizing(min_spare=0, max_spare=4), recycle=limits)


SECOND = {"generation": 2, "molds": (MoldView(2, MoldPhase.READY, NOW),)}


@pytest.mark.parametrize(
    ("config", "view", "expected"),
    [
        pytest.param(
            recycling(max_age=90), pool(busy(1), busy(2, 9)), [("max_age", {"used": s(100), "limit": s(90)})], id="age"
        ),
        pytest.param(
            recycling(max_served=5),
            pool(busy(1, accepted=6), busy(2)),
            [("max_served", {"used": 6, "limit": 5})],
            id="served",
        ),
        pytest.param(
            recycling(max_served=5),
            pool(busy(1, accepted=1, spent=True), busy(2)),
            [("max_served", {"used": 1, "limit": 1})],
            id="spent",
        ),
        pytest.param(
            recycling(max_rss=5), pool(busy(1, rss=7), busy(2)), [("max_rss", {"used": 7, "limit": 5})], id="memory"
        ),
        pytest.param(
            recycling(),
            pool(busy(1), busy(2, generation=2), **SECOND),
            [("old_generation", {"worker_generation": 1, "generation": 2})],
            id="generation",
        ),
        pytest.param(
            recycling(),
            pool(busy(1), busy(2), busy(3, 2, replaces=WorkerId(1))),
            [("replaced", {"generation": 1})],
            id="replaced",
        ),
        pytest.param(
            recycling(max_age=90),
            pool(busy(1), busy(2, 99), busy(3, 9)),
            [
                ("max_age", {"used": s(100), "limit": s(90)}),
                ("max_unavailable", {"replacing": 1, "overdue": 2, "budget": 1}),
            ],
            id="the budget",
        ),
        pytest.param(
            recycling(max_age=90, max_unavailable=1),
            pool(busy(1), busy(2, 99), busy(3, 9), busy(4, 9)),
            [("max_age", {"used": s(100), "limit": s(90)}), ("max_surge", {"live": 5, "max_workers": 4, "surge": 1})],
            id="the surge",
        ),
        pytest.param(
            PoolConfig(
                max_workers=6,
                sizing=SpareSizing(min_spare=2, max_spare=4),
                recycle=RecycleConfig(max_served=9, jitter=0, max_unavailable=1, max_surge=1),
            ),
            pool(busy(1, accepted=9), busy(2, accepted=9), busy(3), busy(4), draining(5)),
            [
                ("few_spares", {"spare": 1, "min_spare": 2, "queue": 0, "n": 4}),
                ("max_served", {"used": 9, "limit": 9}),
                ("max_surge", {"live": 7, "max_workers": 6, "surge": 1}),
            ],
            id="the surge, births included",
        ),
        pytest.param(
            recycling(max_idle=60),
            pool(serving(1, 70), serving(2, 50), serving(3, 50)),
            [("max_idle", {"idle_ns": s(70), "max_idle_ns": s(60), "n": 3})],
            id="idle",
        ),
    ],
)
def test_figures_about_recycling(config: PoolConfig, view: PoolView, expected: Told) -> None:
    assert told(plan_for(config, view)) == expected


def test_figures_about_a_static_size() -> None:
    config = PoolConfig(sizing=StaticSizing(workers=2), max_workers=4)
    assert told(plan_for(config, pool(busy(1)))) == [("static_size", {"n": 1, "workers": 2})]
    assert told(plan_for(config, pool(busy(1), busy(2), serving(3)))) == [("surplus", {"n": 3, "workers": 2})]


def test_figures_about_spares_over_hold() -> None:
    config = PoolConfig(min_workers=1, max_workers=9, sizing=SpareSizing(min_spare=1, max_spare=2))
    watched = STARTED._replace(window_since=NOW - s(30), window=((NOW - s(9), 3),))
    expected = ("surplus", {"least_spare": 3, "max_spare": 2, "hold_ns": s(30)})
    assert told(plan_for(config, pool(*map(serving, (1, 2, 3))), watched)) == [expected]


def test_figures_about_a_size_that_hard_rss_forbids() -> None:
    config = PoolConfig(min_workers=1, recycle=RecycleConfig(hard_rss=100))
    expected = ("hard_rss_too_low", {"boot_rss_bytes": 100, "hard_rss_bytes": 100})
    assert told(plan_for(config, pool(serving(1, boot_rss=100), booting(2)), Memory())) == [expected]


def test_figures_about_growth_count_the_successors_of_the_same_plan() -> None:
    config = PoolConfig(min_workers=1, max_workers=9, max_sessions=1, sizing=DemandSizing(headroom=0))
    molds = (MOLD._replace(generation=2),)
    view = pool(busy(1), booting(3, born=False, generation=2), queue=2, generation=2, molds=molds)
    learnt = STARTED._replace(generation=2, newest_mold=2, demand=Estimates(sampled_at=NOW - s(0.1)))
    assert told(plan_for(config, view, learnt)) == [
        ("old_generation", {"worker_generation": 1, "generation": 2}),
        ("growth", {"wanted": 1, "open": 2, "booting": 2, "unborn": 2}),
    ]
