"""Decision tables of demand sizing: each line of the formula, who is called and who goes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from prefork.policy.config import DemandSizing, PoolConfig, RecycleConfig, SpareSizing, StaticSizing
from prefork.policy.demand import Load, called_for, counted_on, mean, that_came, variance
from prefork.policy.estimates import Estimates, Slot
from prefork.policy.limits import UNBOUNDED, Limits
from prefork.policy.memory import Memory
from prefork.policy.model import Owner, PoolView, WorkerView
from tests.unit.policy.pools import NOW, STARTED, booting, busy, draining, plan_for, pool, s, said, serving

POLICY = frozenset({Owner.POLICY})
OPERATOR = frozenset({Owner.OPERATOR})
BOTH = POLICY | OPERATOR
ONE_EACH = PoolConfig(min_workers=1, max_workers=40, max_sessions=1, sizing=DemandSizing(headroom=0))
TEN_EACH = PoolConfig(min_workers=1, max_workers=40, max_sessions=10, sizing=DemandSizing(headroom=0))
NO_CAP = PoolConfig(min_workers=1, max_workers=40, sizing=DemandSizing())
MICRO = 1_000_000


def load(**more: int) -> Load:
    """One second of mean session time, and nobody there."""
    nothing = {"sessions": 0, "shut": 0, "queue": 0, "rate": 0, "tau_ns": s(1), "ahead_ns": s(0.5), "busy": 0}
    return Load(**(nothing | more))


E = math.exp(-0.5)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(load(), 0, id="nothing"),
        pytest.param(load(rate=10 * MICRO), 10 * (1 - E), id="who comes until then, and is still there"),
        pytest.param(load(sessions=10), 10 * E, id="who is there, and still is then"),
        pytest.param(load(sessions=4, rate=10 * MICRO), 10 + (4 - 10) * E, id="both"),
        pytest.param(load(sessions=4, queue=3, rate=4 * MICRO), 4 + 3, id="a queue, while as many come as go"),
        pytest.param(load(sessions=4, queue=3, rate=10 * MICRO), 4 + 3 + 6 * 0.5, id="or more come than go"),
        pytest.param(load(sessions=4, queue=3), 4 + 3 - 4 * 0.5, id="or fewer"),
        pytest.param(load(sessions=40, queue=3), 40 * E, id="a queue that will be over by itself"),
        pytest.param(
            load(queue=10, tau_ns=s(0.01), rate=0), 10 * 0.01 / 0.05, id="a queue of short sessions is worth some wait"
        ),
        pytest.param(load(queue=10, tau_ns=s(0.05)), 10, id="but not one of longer ones"),
        pytest.param(load(sessions=10, shut=3), 10 * E - 3, id="sessions on paused workers need no place"),
    ],
)
def test_mean(one: Load, expected: float) -> None:
    assert mean(one, s(0.05)) == pytest.approx(expected * MICRO, abs=5)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(load(), 0, id="nothing"),
        pytest.param(load(rate=10 * MICRO), 10 * (1 - E), id="of arrivals"),
        pytest.param(load(sessions=10), 10 * E * (1 - E), id="of departures"),
    ],
)
def test_variance(one: Load, expected: float) -> None:
    assert variance(one) == pytest.approx(expected * MICRO, abs=5)


@pytest.mark.parametrize(
    ("max_sessions", "headroom", "one", "expected"),
    [
        (1, 0, load(sessions=10), 7),
        (1, 1, load(sessions=10), 8),
        (1, 2, load(sessions=10), 10),
        (10, 2, load(sessions=10), 1),
        (10, 0, load(sessions=20), 2),
        (10, 0, load(rate=3), 0),
        (10, 0, load(rate=3 * MICRO), 1),
        (1, 0, load(sessions=3, shut=9), -7),
        (0, 2, load(sessions=99, rate=99 * MICRO), 0),
        (0, 0, load(busy=700_000), 1),
        (0, 0, load(busy=700_001), 2),
        (0, 0, load(busy=2_800_000), 4),
        (0, 0, load(queue=9), 1),
        (0, 0, load(queue=9, busy=700_000), 2),
    ],
)
def test_what_the_load_alone_calls_for(max_sessions: int, headroom: float, one: Load, expected: int) -> None:
    config = PoolConfig(max_sessions=max_sessions, sizing=DemandSizing(headroom=headroom))
    assert called_for(one, Limits.of(config)) == expected


def learnt(**more: Any) -> Memory:
    """Sampled a moment ago, long after all growth; sessions last for a second."""
    fields: dict[str, Any] = {"sampled_at": NOW - s(0.1), "arrived": 100, "session_ns": s(9.9), "ended": 9_500_000}
    return STARTED._replace(demand=Estimates(**(fields | more)))


def usually(demand: int) -> tuple[Slot, ...]:
    """So many workers were enough for all that came."""
    return ((NOW - s(1), ((demand, s(1)),)),)


CALM = learnt()
LATE = learnt(sampled_at=NOW - s(1))
"""A sample is due."""


def of(*workers: WorkerView, **more: Any) -> PoolView:
    """A pool whose totals are those that memory saw."""
    return pool(*workers, **more)


def sized(low: int, high: int, cap: int, **more: Any) -> PoolConfig:
    return PoolConfig(min_workers=low, max_workers=high, max_sessions=cap, sizing=DemandSizing(**more))


BUSY_4 = tuple(busy(name) for name in range(1, 5))
IDLE_20 = tuple(serving(name, 100 + name) for name in range(1, 21))


@pytest.mark.parametrize(
    ("config", "view", "memory", "expected"),
    [
        pytest.param(ONE_EACH, of(busy(1)), CALM, [], id="enough"),
        pytest.param(ONE_EACH, of(), CALM, ["spawn below_min"], id="fewer than min_workers"),
        pytest.param(ONE_EACH, of(busy(1), queue=1), CALM, ["spawn demand"], id="one waits"),
        pytest.param(ONE_EACH, of(busy(1), booting(2), queue=1), CALM, [], id="and one boots"),
        pytest.param(
            ONE_EACH,
            of(busy(1), queue=9),
            CALM,
            ["spawn demand"] * 2 + ["7 spawn withheld growth"],
            id="no more than the mold is about to make",
        ),
        pytest.param(
            ONE_EACH,
            of(busy(1), booting(2, born=False), queue=9),
            CALM,
            ["spawn demand", "7 spawn withheld growth"],
            id="and that it makes",
        ),
        pytest.param(
            ONE_EACH,
            of(busy(1), booting(2, born=False), booting(3, born=False), queue=9),
            CALM,
            ["7 spawn withheld growth"],
            id="none while it has two to make",
        ),
        pytest.param(
            ONE_EACH,
            of(busy(1), *map(booting, range(2, 5)), queue=9),
            CALM,
            ["spawn demand", "5 spawn withheld growth"],
            id="four boot at a time",
        ),
        pytest.param(
            ONE_EACH,
            of(*map(busy, range(1, 7)), *map(booting, range(7, 12)), queue=30),
            CALM,
            ["spawn demand", "24 spawn withheld growth"],
            id="or as many as those that accept",
        ),
        pytest.param(
            ONE_EACH,
            of(*map(busy, range(1, 5)), *map(booting, range(5, 9)), queue=30),
            CALM,
            ["26 spawn withheld growth"],
            id="once in the time of a birth",
        ),
        pytest.param(
            sized(1, 3, 1, headroom=0),
            of(busy(1), busy(2), queue=9),
            CALM,
            ["spawn demand", "8 spawn withheld at_max"],
            id="max_workers bounds what is born, and the rest is told",
        ),
        pytest.param(
            sized(1, 3, 1, headroom=0),
            of(busy(1), draining(2), draining(3), queue=9),
            CALM,
            ["9 spawn withheld at_max"],
            id="who drains counts for max_workers alone",
        ),
        pytest.param(sized(6, 9, 1), of(busy(1)), CALM, ["spawn below_min"] * 5, id="min_workers come at once"),
        pytest.param(
            sized(1, 9, 1, headroom=0).model_copy(update={"start_workers": 9}),
            of(busy(1), queue=6),
            CALM,
            ["spawn demand"] * 2 + ["4 spawn withheld growth"],
            id="start_workers are for the start",
        ),
        pytest.param(sized(0, 9, 1), of(), CALM, [], id="min 0: nobody before the first connection"),
        pytest.param(sized(0, 9, 1), of(queue=None), CALM, [], id="min 0: an unknown queue is none"),
        pytest.param(sized(0, 9, 1, headroom=0), of(queue=2), CALM, ["spawn demand"] * 2, id="min 0: a queue calls"),
        pytest.param(sized(0, 9, 0), of(queue=2), CALM, ["spawn demand"], id="min 0: without a cap it calls one"),
        pytest.param(
            sized(0, 9, 5, headroom=0, max_spare=0),
            of(queue=2),
            learnt(session_ns=0, ended=10**12),
            ["spawn demand"],
            id="somebody, however short sessions are",
        ),
        pytest.param(
            sized(1, 9, 1, headroom=0, min_spare=2), of(busy(1)), CALM, ["spawn demand"] * 2, id="never fewer spares"
        ),
        pytest.param(
            sized(1, 9, 1, headroom=0, max_spare=1),
            of(busy(1)),
            learnt(rate=9 * MICRO),
            ["spawn demand"],
            id="never more spares",
        ),
        pytest.param(
            sized(1, 9, 1, headroom=0, max_spare=0),
            of(busy(1), queue=1),
            CALM,
            ["spawn demand"],
            id="one for whom somebody waits is no spare",
        ),
        pytest.param(
            sized(1, 9, 10, headroom=0, min_spare=1),
            of(serving(1, sessions=8), serving(2, sessions=7)),
            CALM,
            ["spawn demand"],
            id="spare beside the workers that the sessions would fill",
        ),
        pytest.param(
            sized(1, 9, 10, headroom=0, max_spare=0),
            of(busy(1), queue=15),
            learnt(rate=900 * MICRO),
            ["spawn demand"] * 2,
            id="and beside those that the queue would",
        ),
        pytest.param(
            sized(1, 9, 0, min_spare=1), of(busy(1)), CALM, ["spawn demand"], id="without a cap, a spare is idle"
        ),
        pytest.param(sized(1, 9, 0, min_spare=1), of(busy(1), serving(2)), CALM, [], id="and that one is enough"),
        pytest.param(
            sized(0, 9, 1, headroom=0),
            of(busy(1, paused_by=OPERATOR), queue=1),
            learnt(session_ns=0),
            ["spawn demand"],
            id="somebody, even if a place would be free before a birth is over",
        ),
        pytest.param(
            sized(1, 9, 0, max_spare=1), of(busy(1)), learnt(busy=9 * MICRO), ["spawn demand"], id="nor too many"
        ),
        pytest.param(
            sized(1, 9, 0, max_spare=0),
            of(busy(1), queue=7),
            learnt(busy=9 * MICRO),
            ["spawn demand"],
            id="but for a queue",
        ),
        pytest.param(NO_CAP, of(busy(1)), learnt(busy=1_500_000), ["spawn demand"] * 2, id="busy loops call"),
        pytest.param(TEN_EACH, of(busy(1), queue=20), CALM, ["spawn demand"] * 2, id="ten places each"),
        pytest.param(
            ONE_EACH, of(busy(1), busy(2, paused_by=OPERATOR), queue=1), CALM, ["spawn demand"], id="paused: no place"
        ),
        pytest.param(
            ONE_EACH,
            of(busy(1), serving(2, spent=True), queue=1),
            CALM,
            ["spawn for 2 max_served"],
            id="nor has a spent one, whose successor has",
        ),
        pytest.param(ONE_EACH, of(busy(1), queue=9, paused=True), CALM, [], id="paused: no sizing"),
        pytest.param(ONE_EACH, of(busy(1), scale=3, queue=9), CALM, ["spawn scale"] * 2, id="the operator's scale"),
        pytest.param(
            TEN_EACH,
            of(serving(1, sessions=9), spawn_ns=s(0.9)),
            learnt(rate=14 * MICRO),
            ["spawn demand"],
            id="births take long: sooner",
        ),
        pytest.param(
            TEN_EACH,
            of(serving(1, sessions=9), spawn_ns=s(0.4)),
            learnt(rate=14 * MICRO),
            [],
            id="and short ones later",
        ),
        pytest.param(
            TEN_EACH,
            of(serving(1, sessions=9), spawn_ns=s(5)),
            learnt(rate=12_600_000),
            [],
            id="but nobody looks ahead by more than 2 s",
        ),
        pytest.param(
            ONE_EACH, of(busy(1)), learnt(rate=2 * MICRO), [], id="twice as many as go may be chance, so few they are"
        ),
        pytest.param(
            ONE_EACH, of(busy(1)), learnt(rate=3 * MICRO), ["spawn demand"], id="three times as many are a rush"
        ),
        pytest.param(
            ONE_EACH, of(*IDLE_20), CALM, ["retire 1 surplus", "retire 2 surplus"], id="a tenth goes at a time"
        ),
        pytest.param(ONE_EACH, of(*IDLE_20[:15]), CALM, ["retire 1 surplus"], id="rounded down"),
        pytest.param(ONE_EACH, of(*IDLE_20[:4]), CALM, ["retire 1 surplus"], id="at least one"),
        pytest.param(
            ONE_EACH, of(*IDLE_20[:4], booting(5)), CALM, ["retire 1 surplus"], id="nobody goes who still boots"
        ),
        pytest.param(sized(0, 9, 1), of(serving(1)), CALM, ["retire 1 surplus"], id="min 0: down to nobody"),
        pytest.param(
            sized(0, 9, 1), of(serving(1), queue=1), learnt(session_ns=0, ended=10**12), [], id="not while one waits"
        ),
        pytest.param(ONE_EACH, of(serving(1), booting(2)), CALM, [], id="nobody goes for one who still boots"),
        pytest.param(
            ONE_EACH, of(*IDLE_20[:4]), learnt(needs=((NOW - s(9), 4),)), [], id="not below what was needed lately"
        ),
        pytest.param(ONE_EACH, of(*IDLE_20[:4]), learnt(slots=usually(4)), [], id="nor below what was usual"),
        pytest.param(
            sized(1, 3, 1),
            of(*IDLE_20[:3]),
            learnt(slots=usually(9)),
            [],
            id="what was usual is at most max_workers",
        ),
        pytest.param(ONE_EACH, of(*IDLE_20[:4]), learnt(grew_at=NOW - s(1)), [], id="not within a second of a growth"),
        pytest.param(ONE_EACH, of(*IDLE_20[:4]), learnt(shrank_at=NOW - s(1)), [], id="nor of a shrink"),
        pytest.param(
            ONE_EACH,
            of(*IDLE_20[:4]),
            learnt(grew_at=NOW - s(1.1), shrank_at=NOW - s(2)),
            ["retire 1 surplus"],
            id="a second later",
        ),
        pytest.param(ONE_EACH, of(*BUSY_4), learnt(session_ns=0), [], id="who has one place ends by itself"),
        pytest.param(
            TEN_EACH,
            of(serving(1, sessions=3), serving(2, sessions=1), serving(3, sessions=2)),
            CALM,
            ["pause 2 surplus"],
            id="the least busy is paused",
        ),
        pytest.param(
            TEN_EACH, of(busy(1, 90), busy(2, 50), busy(3, 50)), CALM, ["pause 2 surplus"], id="the youngest, by id"
        ),
        pytest.param(
            TEN_EACH, of(busy(1), serving(2), busy(3)), CALM, ["retire 2 surplus"], id="an idle one goes first"
        ),
        pytest.param(NO_CAP, of(busy(1), busy(2)), CALM, ["pause 1 surplus"], id="without a cap too"),
        pytest.param(TEN_EACH, of(busy(1), busy(2), queue=1), CALM, [], id="nobody is paused while somebody waits"),
        pytest.param(
            TEN_EACH, of(busy(1), serving(2), queue=1), CALM, ["retire 2 surplus"], id="but an idle one may go"
        ),
        pytest.param(
            TEN_EACH, of(busy(1), serving(2, paused_by=POLICY)), CALM, ["retire 2 emptied"], id="paused and empty: gone"
        ),
        pytest.param(
            TEN_EACH, of(busy(1), serving(2, paused_by=BOTH)), CALM, ["retire 2 emptied"], id="the operator's pause too"
        ),
        pytest.param(
            TEN_EACH, of(busy(1), serving(2, paused_by=OPERATOR)), CALM, [], id="but not the operator's alone"
        ),
        pytest.param(
            TEN_EACH,
            of(busy(1), serving(2, paused_by=POLICY)),
            learnt(grew_at=NOW - s(0.9)),
            [],
            id="not after a growth",
        ),
        pytest.param(TEN_EACH, of(busy(1), busy(2, paused_by=POLICY)), CALM, [], id="paused and busy: left alone"),
        pytest.param(
            TEN_EACH,
            of(busy(1), busy(2, paused_by=POLICY), serving(3, sessions=4, paused_by=POLICY), queue=12),
            CALM,
            ["resume 3 demand"],
            id="the fullest is resumed before anybody is born",
        ),
        pytest.param(
            TEN_EACH,
            of(
                busy(1),
                busy(2, paused_by=POLICY),
                busy(3, paused_by=BOTH),
                busy(4, paused_by=POLICY, spent=True),
                queue=32,
            ),
            CALM,
            ["resume 2 demand", "spawn demand", "spawn for 4 max_served"],
            id="only who would accept is",
        ),
        pytest.param(
            TEN_EACH,
            of(busy(1), busy(2, paused_by=POLICY), scale=2),
            CALM,
            ["resume 2 scale"],
            id="by the operator's scale too",
        ),
        pytest.param(
            TEN_EACH,
            of(busy(1), serving(3), serving(2, paused_by=POLICY), scale=1),
            learnt(grew_at=NOW),
            ["retire 3 surplus"],
            id="of those over it one counts, and one goes when it may, for it is empty",
        ),
        pytest.param(
            TEN_EACH,
            of(busy(1), busy(2, generation=0, paused_by=POLICY), scale=2),
            CALM,
            ["resume 2 scale", "spawn for 2 old_generation"],
            id="whoever is resumed may be of an older generation",
        ),
        pytest.param(
            TEN_EACH, of(busy(1), serving(2, paused_by=POLICY), paused=True), CALM, [], id="paused: no shrinking either"
        ),
        pytest.param(
            PoolConfig(min_workers=1, max_workers=4, sizing=StaticSizing(workers=2)),
            of(busy(1), busy(2, paused_by=POLICY)),
            STARTED,
            ["resume 2 static_size"],
            id="after a reload to static",
        ),
        pytest.param(
            PoolConfig(min_workers=1, max_workers=4, sizing=SpareSizing(min_spare=1)),
            of(busy(1), serving(2), serving(3, paused_by=POLICY)),
            STARTED,
            ["retire 3 emptied"],
            id="or to spare",
        ),
        pytest.param(
            PoolConfig(min_workers=1, max_workers=2, max_sessions=9, sizing=DemandSizing()),
            of(busy(1), serving(2, sessions=5), busy(3, paused_by=POLICY)),
            learnt(slots=usually(2)),
            ["drain 1 surplus"],
            id="over a lowered max all count",
        ),
    ],
)
def test_who_is_called_and_who_goes(config: PoolConfig, view: PoolView, memory: Memory, expected: list[str]) -> None:
    assert said(plan_for(config, view, memory)) == expected


@pytest.mark.parametrize(("places", "missing"), [(None, 0), (10, 0), (0, 0), (-1, 0), (2, 2), (1, 6)], ids=str)
def test_a_loop_that_holds_fewer_sessions_than_max_sessions_has_fewer_places(places: int | None, missing: int) -> None:
    """Two workers hold two each, and four wait; a mold is given two births at a time."""
    view = pool(serving(1, sessions=2), serving(2, sessions=2), queue=4, places=places)
    plan = plan_for(TEN_EACH, view, learnt(session_ns=s(1000), ended=1))
    assert [line for line in said(plan) if "withheld" not in line] == ["spawn demand"] * min(2, missing)
    assert len(plan.decisions) + sum(each.count for each in plan.withheld) == missing


def test_start_workers_are_kept_for_hold() -> None:
    config = PoolConfig(min_workers=1, start_workers=3, max_workers=9, sizing=DemandSizing(hold=10))
    first = plan_for(config, pool(), Memory(ever_ready=True, generation=1, newest_mold=1))
    assert said(first) == ["spawn start"] * 3
    assert first.memory.demand.needs == ((NOW, 3),)


def test_a_pool_that_follows_its_load_looks_once_a_second_while_there_is_any() -> None:
    assert plan_for(ONE_EACH, of(serving(1)), CALM).next_check_at == NOW + s(29)  # silence
    for view, memory in (
        (of(busy(1)), CALM),
        (of(serving(1)), learnt(rate=1)),
        (of(serving(1), serving(2)), learnt(slots=usually(2))),
        (of(serving(1), serving(2, paused_by=POLICY)), learnt(grew_at=NOW)),
    ):
        assert plan_for(ONE_EACH, view, memory).next_check_at == NOW + s(0.9)


def test_a_paused_worker_that_is_empty_is_looked_at_when_the_growth_is_past() -> None:
    static = PoolConfig(min_workers=1, max_workers=4, sizing=StaticSizing(workers=2))
    plan = plan_for(static, of(busy(1), busy(2, paused_by=POLICY), serving(3, paused_by=POLICY)), STARTED)
    assert said(plan) == ["resume 2 static_size"]
    assert plan.next_check_at == NOW + s(1)
    assert plan.memory.demand.grew_at == NOW
    grown = STARTED._replace(demand=Estimates(grew_at=NOW - s(0.5)))
    later = plan_for(static, of(busy(1), busy(2), serving(3, paused_by=POLICY)), grown)
    assert later.next_check_at == NOW + s(0.5)


def test_while_one_waits_the_load_is_looked_at_as_often_as_that_may_last() -> None:
    assert plan_for(ONE_EACH, of(serving(1), queue=1), CALM).next_check_at == NOW + s(0.05)


def test_a_surplus_is_remembered_for_the_second_in_which_no_other_goes() -> None:
    plan = plan_for(ONE_EACH, of(*IDLE_20[:4]), CALM)
    assert said(plan) == ["retire 1 surplus"]
    assert plan.memory.demand.shrank_at == NOW


def test_whom_the_plan_pauses_is_no_longer_one_over_min_workers() -> None:
    """So nobody is looked at for having been idle for too long."""
    config = TEN_EACH.model_copy(update={"recycle": RecycleConfig(max_idle=0.5)})
    plan = plan_for(config, of(busy(1), busy(2)), CALM)
    assert said(plan) == ["pause 1 surplus"]
    assert plan.next_check_at == NOW + s(0.9)


def test_who_goes_for_being_idle_is_not_told_again_as_surplus() -> None:
    config = ONE_EACH.model_copy(update={"recycle": RecycleConfig(max_idle=105)})
    assert said(plan_for(config, of(*IDLE_20[:5]), CALM)) == ["retire 5 max_idle", "retire 1 surplus"]


def test_a_rush_calls_for_whom_it_would_bring_and_is_kept_for_whom_it_brought() -> None:
    plan = plan_for(TEN_EACH, of(serving(1, sessions=9), arrivals=140), learnt(session_ns=s(99), ended=9_500_000))
    assert said(plan)[0] == "spawn demand"
    assert plan.memory.demand.needs == ((NOW, 1),)
    there = load(sessions=9, queue=3, tau_ns=s(4), rate=3 * MICRO)
    assert that_came(there) == there
    assert that_came(there._replace(rate=3 * MICRO + 1)) == there
    assert that_came(there._replace(rate=2)).rate == 2


@pytest.mark.parametrize(
    ("rate", "counted"),
    [(2, 2), (3, 3), (4, 3), (5, 5 - math.sqrt(2.5)), (50, 45)],
    ids=["fewer than go", "as many", "more, by chance perhaps", "more than chance brings", "a crowd"],
)
def test_of_a_rush_what_chance_may_have_made_is_not_counted_on(rate: int, counted: float) -> None:
    there = load(sessions=9, queue=3, tau_ns=s(4), rate=rate * MICRO)
    assert counted_on(there).rate == pytest.approx(counted * MICRO, abs=2)


def test_another_kind_of_sizing_forgets_the_load() -> None:
    spare = PoolConfig(min_workers=1, max_workers=4, sizing=SpareSizing(min_spare=1))
    assert plan_for(spare, of(busy(1), serving(2)), LATE).memory.demand == Estimates()


def test_a_sample_is_taken_before_anybody_is_called() -> None:
    plan = plan_for(ONE_EACH, of(busy(1), arrivals=103), CALM)
    assert said(plan) == ["spawn demand"]
    assert plan.memory.demand.sampled_at == NOW
    assert plan.memory.demand.needs == ((NOW, 1),)
    assert plan.memory.demand.grew_at == NOW
    assert plan.memory.demand.demand == 1
    assert plan_for(NO_CAP, of(busy(1), queue=1), LATE).memory.demand.demand == 1
    assert plan_for(ONE_EACH, of(serving(1)), LATE).memory.demand.demand == 0
    assert plan_for(sized(0, 9, 1), of(serving(1)), LATE).memory.demand.needs == ((NOW, 0),)
    began_with_five = sized(0, 9, 1).model_copy(update={"start_workers": 5})
    assert plan_for(began_with_five, of(serving(1)), LATE).memory.demand.needs == ((NOW, 0),)


def test_figures_of_demand() -> None:
    born = plan_for(ONE_EACH, of(busy(1), busy(2, paused_by=OPERATOR), queue=1, spawn_ns=s(0.3)), CALM).decisions[0]
    assert dict(born.because.figures) == {
        "need": 2,
        "open": 1,
        "sessions": 2,
        "shut": 1,
        "queue": 1,
        "arrivals_micro": 0,
        "session_ns": pytest.approx(s(1), rel=0.02),
        "ahead_ns": s(0.3),
    }
    busier = plan_for(NO_CAP, of(busy(1)), learnt(busy=900_000)).decisions[0]
    assert dict(busier.because.figures) == {"need": 2, "open": 1, "busy_workers": 1, "busy_micro": 900_000, "queue": 0}
    busier = plan_for(NO_CAP, of(busy(1), serving(2)), learnt(busy=1_900_000)).decisions[0]
    assert dict(busier.because.figures)["busy_workers"] == 1
    plan = plan_for(ONE_EACH, of(busy(1), booting(2), queue=9), CALM)
    assert dict(plan.withheld[0].because.figures) == {"wanted": 8, "open": 2, "booting": 1, "unborn": 0}
    gone = plan_for(ONE_EACH, of(*IDLE_20[:4]), learnt(slots=usually(2), needs=((NOW, 3),))).decisions[0]
    figures = {"open": 4, "keep": 3, "need": 1, "largest_need": 3, "usual": 2, "max_workers": 40}
    assert dict(gone.because.figures) == figures
    emptied = plan_for(TEN_EACH, of(busy(1), serving(2, paused_by=POLICY)), CALM).decisions[0]
    assert dict(emptied.because.figures) == {"sessions": 0, "n": 1}


def test_the_numbers_of_the_kind_are_resolved() -> None:
    limits = Limits.of(
        sized(1, 9, 1, headroom=1.5, hold=7, target_wait=0.02, saturation=0.05, min_spare=1, max_spare=3)
    )
    assert (limits.headroom_ppm, limits.hold_ns, limits.target_wait_ns) == (1_500_000, s(7), s(0.02))
    assert (limits.saturation_ppm, limits.min_spare, limits.max_spare) == (50_000, 1, 3)
    default = Limits.of(sized(1, 9, 1))
    assert (default.headroom_ppm, default.hold_ns, default.target_wait_ns) == (1_000_000, s(60), s(0.05))
    assert (default.saturation_ppm, default.min_spare, default.max_spare) == (10_000, 0, UNBOUNDED)
