"""Decision tables: how many workers, and who goes."""

from __future__ import annotations

import pytest

from prefork.policy.config import PoolConfig, RecycleConfig, SpareSizing, StaticSizing
from prefork.policy.memory import Memory
from prefork.policy.model import Owner, PoolView, Reason, WorkerId
from tests.unit.policy.pools import MOLD, NOW, STARTED, booting, busy, draining, plan_for, pool, s, said, serving

SPARE = PoolConfig(min_workers=2, max_workers=5, sizing=SpareSizing(min_spare=2, max_spare=3))
STATIC = PoolConfig(min_workers=1, max_workers=5, sizing=StaticSizing(workers=3))
CAP_TEN = PoolConfig(min_workers=2, max_workers=9, max_sessions=10, sizing=SpareSizing(min_spare=2, max_spare=9))
CAP_ONE = PoolConfig(min_workers=2, max_workers=9, max_sessions=1, sizing=SpareSizing(min_spare=2, max_spare=9))
ASLEEP = PoolConfig(min_workers=0, max_workers=9, max_sessions=1, sizing=SpareSizing())
LOWERED = PoolConfig(min_workers=1, max_workers=1)
OPERATOR = frozenset({Owner.OPERATOR})
WATCHED = STARTED._replace(window_since=NOW - s(30), window=((NOW - s(30), 5),))


@pytest.mark.parametrize(
    ("config", "view", "expected"),
    [
        pytest.param(SPARE, pool(serving(1), serving(2)), [], id="enough spares: nothing"),
        pytest.param(SPARE, pool(serving(1), busy(2)), ["spawn few_spares"], id="a busy worker is no spare"),
        pytest.param(SPARE, pool(serving(1), busy(2), booting(3)), [], id="a booting worker is a coming spare"),
        pytest.param(
            SPARE, pool(serving(1), draining(2)), ["spawn below_min"], id="a draining worker counts for nothing"
        ),
        pytest.param(
            SPARE, pool(serving(1), serving(2, retiring_at=NOW)), ["spawn below_min"], id="nor does a retiring one"
        ),
        pytest.param(
            SPARE,
            pool(serving(1), serving(2, paused_by=OPERATOR)),
            ["spawn few_spares"],
            id="a paused worker is no spare",
        ),
        pytest.param(
            SPARE,
            pool(*map(busy, range(1, 5))),
            ["spawn few_spares", "1 spawn withheld at_max"],
            id="births are clamped by max, and it is told",
        ),
        pytest.param(
            SPARE,
            pool(*map(draining, range(1, 6))),
            ["2 spawn withheld at_max"],
            id="draining workers count against max, even below min",
        ),
        pytest.param(
            SPARE, pool(serving(1), serving(2), queue=1), ["spawn few_spares"], id="a queue asks for one more"
        ),
        pytest.param(
            SPARE, pool(serving(1), serving(2), queue=9), ["spawn few_spares"], id="without a cap one will do"
        ),
        pytest.param(SPARE, pool(serving(1), serving(2), queue=-1), [], id="a queue below nothing is none"),
        pytest.param(SPARE, pool(serving(1), serving(2), queue=0), [], id="an empty queue asks for nobody"),
        pytest.param(
            STATIC.model_copy(update={"sizing": StaticSizing(workers=1), "max_workers": 3}),
            pool(*map(serving, range(1, 6))),
            [f"retire {name} surplus" for name in (1, 2, 3, 4)],
            id="static: over max, and over its size",
        ),
        pytest.param(
            CAP_TEN,
            pool(*(serving(each, sessions=4, full=True) for each in range(1, 5)), queue=6),
            ["spawn few_spares"] * 3,
            id="what a loop can't hold is no free place, whatever max_sessions says",
        ),
        pytest.param(
            CAP_ONE, pool(serving(1), serving(2), queue=3), ["spawn few_spares"] * 3, id="with cap one, one for each"
        ),
        pytest.param(
            CAP_TEN,
            pool(serving(1, sessions=5), serving(2, sessions=5)),
            ["spawn few_spares"],
            id="ten places free are one spare",
        ),
        pytest.param(
            CAP_TEN, pool(serving(1), serving(2), queue=11), ["spawn few_spares"] * 2, id="a queue is rounded up"
        ),
        pytest.param(
            CAP_ONE, pool(busy(1), busy(2), busy(3)), ["spawn few_spares"] * 2, id="a full worker has no place free"
        ),
        pytest.param(
            CAP_TEN, pool(serving(1, sessions=99), serving(2), serving(3)), [], id="over the cap is no negative place"
        ),
        pytest.param(ASLEEP, pool(queue=0), [], id="min 0: nobody before the first connection"),
        pytest.param(ASLEEP, pool(), [], id="min 0: an unknown queue is none"),
        pytest.param(ASLEEP, pool(queue=2), ["spawn few_spares"] * 2, id="min 0: the queue calls workers"),
        pytest.param(STATIC, pool(serving(1)), ["spawn static_size"] * 2, id="static: refilled to its size"),
        pytest.param(
            STATIC,
            pool(*map(serving, range(1, 6))),
            ["retire 1 surplus", "retire 2 surplus"],
            id="static: surplus retires",
        ),
        pytest.param(
            STATIC,
            pool(*map(busy, range(1, 5)), serving(5)),
            ["retire 5 surplus"],
            id="static: a busy worker is not told",
        ),
        pytest.param(SPARE, pool(serving(1), serving(2), scale=4), ["spawn scale"] * 2, id="scale replaces need"),
        pytest.param(SPARE, pool(serving(1), serving(2), scale=40), ["spawn scale"] * 3, id="scale is clamped by max"),
        pytest.param(SPARE, pool(busy(1), busy(2), scale=0), [], id="scale is clamped by min, whatever the spares"),
        pytest.param(
            SPARE,
            pool(serving(1, 50), serving(2, 9), busy(3, 5), scale=2),
            ["retire 2 surplus"],
            id="scale down: idle first, then the youngest",
        ),
        pytest.param(SPARE, pool(busy(1), busy(2), paused=True), [], id="a paused pool isn't sized"),
        pytest.param(SPARE, pool(busy(1), paused=True), ["spawn below_min"], id="a paused pool is refilled"),
        pytest.param(SPARE, pool(*map(serving, range(1, 8)), paused=True), [], id="a paused pool isn't shrunk"),
        pytest.param(
            SPARE,
            pool(*map(busy, range(1, 6)), serving(6), booting(7, 0)),
            ["drain 7 surplus", "retire 6 surplus", "2 spawn withheld at_max"],
            id="over max: the idle retire",
        ),
        pytest.param(
            SPARE,
            pool(*map(busy, range(1, 7))),
            ["drain 1 surplus", "2 spawn withheld at_max"],
            id="over max: the busy drain when nobody is idle",
        ),
        pytest.param(
            LOWERED,
            pool(serving(1), serving(2), booting(3, 2, replaces=WorkerId(1)), booting(4, replaces=WorkerId(2))),
            ["drain 4 surplus", "retire 2 surplus"],
            id="over max: who was born to replace another goes with it",
        ),
        pytest.param(
            SPARE, pool(molds=()), ["start_mold 1 mold_gone", "2 spawn withheld no_mold"], id="no mold: no birth"
        ),
        pytest.param(
            SPARE,
            pool(molds=(MOLD,), generation=2),
            ["end_mold 1 mold_superseded", "start_mold 2 mold_gone", "2 spawn withheld no_mold"],
            id="another generation's mold gives no birth",
        ),
    ],
)
def test_the_pool_is_sized(config: PoolConfig, view: PoolView, expected: list[str]) -> None:
    assert said(plan_for(config, view)) == expected


@pytest.mark.parametrize(
    ("view", "memory", "expected"),
    [
        pytest.param(pool(*map(serving, range(1, 6))), STARTED, [], id="no window yet"),
        pytest.param(
            pool(*map(serving, range(1, 6))), WATCHED._replace(window_since=NOW - s(29)), [], id="a short window"
        ),
        pytest.param(
            pool(*map(serving, range(1, 6))),
            WATCHED,
            ["retire 1 surplus", "retire 2 surplus"],
            id="spare for all of hold",
        ),
        pytest.param(
            pool(*map(serving, range(1, 6))),
            WATCHED._replace(window=((NOW - s(9), 4), (NOW - s(3), 5))),
            ["retire 1 surplus"],
            id="only the least of the window",
        ),
        pytest.param(
            pool(*map(serving, range(1, 6))),
            WATCHED._replace(window=((NOW - s(31), 3), (NOW - s(3), 5))),
            ["retire 1 surplus", "retire 2 surplus"],
            id="what is older than hold is forgotten",
        ),
        pytest.param(
            pool(*map(serving, range(1, 6))),
            WATCHED._replace(window=((NOW - s(30) + 1, 3), (NOW - s(3), 5))),
            [],
            id="to the nanosecond",
        ),
        pytest.param(
            pool(*map(serving, range(1, 6)), serving(6, paused_by=OPERATOR)),
            WATCHED._replace(window=((NOW - s(9), 9),)),
            ["retire 1 surplus", "retire 2 surplus"],
            id="a spare that went for max counts among those that are too many",
        ),
        pytest.param(
            pool(*map(busy, range(1, 5)), serving(5)),
            WATCHED,
            ["1 spawn withheld at_max"],
            id="no spares now: no surplus",
        ),
        pytest.param(
            pool(*map(serving, range(1, 6))),
            WATCHED._replace(next_check_at=NOW - s(2)),
            [],
            id="a late look begins the window anew",
        ),
    ],
)
def test_surplus_is_judged_on_the_least_spares_over_hold(view: PoolView, memory: Memory, expected: list[str]) -> None:
    assert said(plan_for(SPARE, view, memory)) == expected


def test_spares_of_which_hold_has_seen_too_few_for_this_queue_are_no_surplus() -> None:
    config = PoolConfig(min_workers=1, max_workers=9, max_sessions=1, sizing=SpareSizing(min_spare=1, max_spare=2))
    view, memory = pool(*map(serving, range(1, 9)), queue=4), WATCHED._replace(window=((NOW - s(9), 5),))
    assert said(plan_for(config, view, memory)) == []
    assert said(plan_for(config, view._replace(queue=3), memory)) == ["retire 1 surplus"]


def test_spares_that_a_queue_asks_for_are_no_surplus() -> None:
    config = PoolConfig(min_workers=1, max_workers=9, max_sessions=1, sizing=SpareSizing(min_spare=1, max_spare=2))
    workers = [serving(name) for name in range(1, 6)]
    assert said(plan_for(config, pool(*workers), WATCHED)) == [f"retire {name} surplus" for name in (1, 2, 3)]
    assert said(plan_for(config, pool(*workers, queue=3), WATCHED)) == ["retire 1 surplus"]


def test_a_surplus_of_spares_never_goes_below_min() -> None:
    config = PoolConfig(min_workers=4, max_workers=9, sizing=SpareSizing(min_spare=1, max_spare=2))
    plan = plan_for(config, pool(*map(serving, range(1, 6))), WATCHED)
    assert said(plan) == ["retire 1 surplus"]
    assert plan.next_check_at == NOW + s(29)


def test_a_pool_at_rest_wakes_for_the_earliest_silence_alone() -> None:
    plan = plan_for(SPARE, pool(serving(1), serving(2), serving(3, heard_at=NOW - s(4))), WATCHED)
    assert said(plan) == []
    assert plan.next_check_at == NOW + s(26)
    assert plan.memory.window_since is None
    assert plan.memory.window == ()


def test_a_pool_that_could_shrink_samples_ten_times_a_hold() -> None:
    plan = plan_for(SPARE, pool(*map(busy, range(1, 6))))
    assert plan.next_check_at == NOW + s(3)
    assert plan.memory.window_since == NOW


@pytest.mark.parametrize(
    ("view", "window", "after"),
    [
        pytest.param(pool(*map(serving, range(1, 6))), [(25, 2), (2, 5)], 3, id="a tenth of hold"),
        pytest.param(pool(*map(serving, range(1, 6))), [(29, 2), (2, 5)], 1, id="when the least is too old"),
        pytest.param(pool(*map(busy, range(1, 6))), [(29, 2)], 3, id="the newest won't be"),
    ],
)
def test_spares_are_looked_at_again_after(view: PoolView, window: list[tuple[int, int]], after: float) -> None:
    since = NOW - s(200)
    memory = WATCHED._replace(window_since=since, window=tuple((NOW - s(ago), spare) for ago, spare in window))
    assert plan_for(SPARE, view, memory).next_check_at == NOW + s(after)


def test_a_window_that_is_long_enough_is_looked_at_then() -> None:
    memory = WATCHED._replace(window_since=NOW - s(29), window=((NOW - s(29), 5),))
    assert plan_for(SPARE, pool(*map(serving, range(1, 6))), memory).next_check_at == NOW + s(1)


@pytest.mark.parametrize(
    ("queue", "expected", "after"),
    [
        pytest.param(2, ["spawn few_spares"], 0.01, id="with births, whose spares will be more"),
        pytest.param(1, [], 0.1, id="without, ten times a second at most"),
    ],
)
def test_a_window_that_is_shorter_than_a_look_is_looked_at_after(queue: int, expected: list[str], after: float) -> None:
    config = PoolConfig(min_workers=0, max_workers=9, max_sessions=1, sizing=SpareSizing(max_spare=0, hold=0.01))
    plan = plan_for(config, pool(serving(1), queue=queue), WATCHED._replace(window=()))
    assert said(plan) == expected
    assert plan.next_check_at == NOW + s(after)


def test_without_max_spare_a_spare_is_too_many_after_hold_and_not_before() -> None:
    config = PoolConfig(min_workers=0, max_workers=9, sizing=SpareSizing(max_spare=0))
    assert said(plan_for(config, pool(serving(1)))) == []
    assert said(plan_for(config, pool(serving(1)), WATCHED._replace(window_since=NOW - s(29)))) == []
    assert said(plan_for(config, pool(serving(1)), WATCHED)) == ["retire 1 surplus"]


def test_without_hold_a_spare_that_this_very_plan_brings_is_not_too_many_at_once() -> None:
    sizing = SpareSizing(max_spare=0, hold=0)
    config = PoolConfig(min_workers=0, max_workers=9, max_sessions=1, sizing=sizing)
    before = STARTED._replace(window_since=NOW, window=((NOW, 0),), last_now=NOW)
    plan = plan_for(config, pool(busy(1), booting(2)), before)
    assert said(plan) == []
    assert plan.next_check_at == NOW + 1
    later = pool(busy(1), serving(2))._replace(now=NOW + 1)
    assert said(plan_for(config, later, plan.memory)) == ["retire 2 surplus"]


def test_what_a_window_comes_to_is_never_below_nothing() -> None:
    memory = WATCHED._replace(window=((NOW - s(9), 0), (NOW - s(6), 1), (NOW - s(3), 2)))
    plan = plan_for(LOWERED, pool(*map(serving, range(1, 4))), memory._replace(window_since=NOW - s(9)))
    assert said(plan) == ["retire 1 surplus", "retire 2 surplus"]
    assert plan.memory.window == ()
    wider = PoolConfig(min_workers=1, max_workers=2, sizing=SpareSizing(min_spare=1, max_spare=1))
    plan = plan_for(wider, pool(*map(serving, range(1, 4))), memory)
    assert said(plan) == ["retire 1 surplus"]
    assert plan.memory.window == ((NOW - s(6), 0), (NOW - s(3), 1), (NOW, 2))


def test_of_equal_samples_the_newest_stays() -> None:
    memory = WATCHED._replace(window=((NOW - s(9), 4), (NOW - s(3), 5)))
    plan = plan_for(SPARE, pool(*map(serving, range(1, 5)), busy(5)), memory)
    assert plan.memory.window == ((NOW, 3),), "the one that went is taken off"


def test_the_window_is_lowered_by_who_went() -> None:
    plan = plan_for(SPARE, pool(*map(serving, range(1, 7))), WATCHED._replace(window=((NOW - s(9), 5),)))
    assert said(plan) == ["retire 1 surplus", "retire 2 surplus"]
    assert plan.memory.window == ((NOW - s(9), 3), (NOW, 4))


def test_a_paused_idle_worker_is_no_surplus_of_spares() -> None:
    workers = [serving(name, paused_by=OPERATOR) for name in (1, 2)]
    config = PoolConfig(min_workers=1, max_workers=9, sizing=SpareSizing(max_spare=3))
    plan = plan_for(config, pool(*workers, *map(serving, range(3, 8))), WATCHED)
    assert said(plan) == ["retire 3 surplus", "retire 4 surplus"]


def test_a_busy_surplus_is_looked_at_again() -> None:
    plan = plan_for(STATIC, pool(*map(busy, range(1, 5))))
    assert said(plan) == []
    assert plan.next_check_at == NOW + s(1)
    assert plan_for(STATIC, pool(*map(serving, range(1, 6)))).next_check_at == NOW + s(29)


@pytest.mark.parametrize(
    ("memory", "n", "expected"),
    [
        pytest.param(Memory(), 0, ["spawn start"] * 4, id="a pool starts with start_workers"),
        pytest.param(Memory(), 3, ["spawn start"], id="until it has had them"),
        pytest.param(STARTED, 1, ["spawn below_min"], id="after that min_workers is enough"),
    ],
)
def test_start_workers(memory: Memory, n: int, expected: list[str]) -> None:
    config = PoolConfig(min_workers=2, max_workers=9, start_workers=4, sizing=SpareSizing(min_spare=1))
    plan = plan_for(config, pool(*map(serving, range(1, n + 1))), memory)
    assert said(plan) == expected
    assert plan.memory.started


@pytest.mark.parametrize(
    ("view", "started"),
    [
        pytest.param(pool(), True, id="births were ordered"),
        pytest.param(pool(molds=()), False, id="none could be"),
        pytest.param(pool(*map(serving, (1, 2, 3, 4)), molds=()), True, id="all are there"),
        pytest.param(pool(molds=(), scale=2), True, id="the operator wants another number"),
        pytest.param(pool(*map(serving, (1, 2, 3, 4)), paused=True), False, id="a paused pool waits with it"),
    ],
)
def test_a_pool_has_started_when(view: PoolView, started: bool) -> None:
    config = PoolConfig(min_workers=2, max_workers=9, start_workers=4)
    assert plan_for(config, view, Memory()).memory.started is started


IDLE = PoolConfig(min_workers=2, max_workers=9, sizing=SpareSizing(max_spare=9), recycle=RecycleConfig(max_idle=60))


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(pool(*map(serving, (1, 2, 3))), ["retire 1 max_idle"], id="idle for max_idle, above min"),
        pytest.param(pool(serving(1), serving(2), booting(3)), [], id="nobody goes for one who still boots"),
        pytest.param(pool(serving(1), serving(2)), [], id="never below min"),
        pytest.param(
            pool(serving(1, 70), serving(2, 90), serving(3, 80)), ["retire 2 max_idle"], id="the longest first"
        ),
        pytest.param(pool(busy(1), serving(2), serving(3)), [], id="never one that would be born again"),
        pytest.param(
            pool(*(serving(n, idle_since=None) for n in (1, 2, 3))), [], id="since when it is idle may be unknown"
        ),
        pytest.param(
            pool(serving(1, paused_by=OPERATOR), *map(serving, (2, 3, 4))),
            ["retire 1 max_idle", "retire 2 max_idle"],
            id="a paused one leaves no gap",
        ),
        pytest.param(
            pool(serving(1, paused_by=OPERATOR), busy(2), serving(3), queue=1),
            ["spawn few_spares"] * 2,
            id="not while births are needed",
        ),
        pytest.param(pool(*(serving(n, 59) for n in (1, 2, 3)), booting(4)), [], id="a never used worker has its time"),
    ],
)
def test_max_idle_retires(view: PoolView, expected: list[str]) -> None:
    assert said(plan_for(IDLE, view)) == expected


def test_max_idle_is_looked_at_in_time() -> None:
    plan = plan_for(IDLE, pool(*(serving(n, 45, heard_at=NOW) for n in (1, 2, 3))))
    assert plan.next_check_at == NOW + s(15)
    at_min = plan_for(IDLE, pool(*(serving(n, 45, heard_at=NOW) for n in (1, 2))))
    assert at_min.next_check_at == NOW + s(30)


def test_hard_rss_under_the_size_at_boot_gives_up_once() -> None:
    config = PoolConfig(recycle=RecycleConfig(hard_rss=100))
    view = pool(serving(1, boot_rss=100), booting(2))
    plan = plan_for(config, view, Memory())
    assert [decision.because.reason for decision in plan.decisions] == [Reason.HARD_RSS_TOO_LOW]
    assert said(plan_for(config, view, plan.memory)) == []
    assert said(plan_for(config, pool(serving(1, boot_rss=99), booting(2)), Memory())) == []
