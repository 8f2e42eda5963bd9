"""Decision tables: one worker at one instant, and what is said about it."""

from __future__ import annotations

import pytest

from prefork.policy.config import PoolConfig, RecycleConfig, SpareSizing
from prefork.policy.model import KillStep, Owner, Phase, PoolView, WorkerId, WorkerView
from tests.unit.policy.pools import NOW, STARTED, booting, busy, draining, killed, plan_for, pool, s, said, serving

KEPT = SpareSizing(max_spare=20)
ROOM = PoolConfig(min_workers=0, max_workers=9, sizing=SpareSizing(), recycle=RecycleConfig(hard_rss="2GB"))
QUIET = {"heard_at": NOW - s(30)}


def one_of(worker: WorkerView, **more: object) -> PoolView:
    """A pool that is content but for this worker."""
    return pool(worker, **more)


@pytest.mark.parametrize(
    ("worker", "expected"),
    [
        pytest.param(busy(1), [], id="a busy worker that is heard from is left alone"),
        pytest.param(booting(1, 29.999), [], id="booting for less than boot_timeout is left alone"),
        pytest.param(booting(1, 30), ["kill 1 dump boot_timeout"], id="booting for boot_timeout is killed"),
        pytest.param(busy(1, **QUIET), ["kill 1 dump silent_blocked"], id="no beat for heartbeat_timeout is silence"),
        pytest.param(
            busy(1, **QUIET, cpu_ns=s(3)), ["kill 1 dump silent_spinning"], id="silence with a tenth of it on CPU spins"
        ),
        pytest.param(
            busy(1, **QUIET, cpu_ns=s(2.9)), ["kill 1 dump silent_blocked"], id="silence with less on CPU is blocked"
        ),
        pytest.param(busy(1, 29, heard_at=None), [], id="never heard counts from ready, not from fork"),
        pytest.param(
            busy(1, 30, heard_at=None),
            ["kill 1 dump silent_blocked"],
            id="never heard since ready is silent in the end",
        ),
        pytest.param(busy(1, 5, heard_at=NOW - s(40)), [], id="a beat older than ready is none"),
        pytest.param(busy(1, rss=2_000_000_000), [], id="memory at hard_rss is allowed"),
        pytest.param(busy(1, rss=2_000_000_001), ["kill 1 kill hard_rss"], id="memory over hard_rss is killed at once"),
        pytest.param(
            busy(1, rss=3_000_000_000, boot_rss=2_000_000_000),
            [],
            id="a worker born at hard_rss is never killed for it",
        ),
        pytest.param(
            busy(1, **QUIET, rss=2_000_000_001), ["kill 1 dump silent_blocked"], id="silent outranks the hard limit"
        ),
        pytest.param(draining(1), [], id="a drain within its deadline is left alone"),
        pytest.param(draining(1, 0), ["kill 1 dump overstayed_drain"], id="a drain at its deadline is killed"),
        pytest.param(draining(1, **QUIET), ["kill 1 dump silent_blocked"], id="a draining worker can hang too"),
        pytest.param(draining(1, rss=2_000_000_001), ["kill 1 kill hard_rss"], id="a draining worker can grow too"),
        pytest.param(
            draining(1, 0, **QUIET), ["kill 1 dump overstayed_drain"], id="an overstayed drain outranks silence"
        ),
        pytest.param(draining(1, None), [], id="a drain without a deadline is left to its heartbeat"),
        pytest.param(
            draining(1, ready_at=None, heard_at=None), [], id="one told to drain while booting has a deadline, no beat"
        ),
        pytest.param(busy(1, drain_wanted=Owner.APP), ["drain 1 requested"], id="one that asks to drain drains"),
        pytest.param(booting(1, drain_wanted=Owner.OPERATOR), ["drain 1 requested"], id="even while it boots"),
        pytest.param(killed(busy(1), ago=0.299), [], id="the ladder waits 300 ms"),
        pytest.param(killed(busy(1, **QUIET)), ["kill 1 abort silent_blocked"], id="after dump comes abort"),
        pytest.param(
            killed(busy(1, **QUIET), KillStep.ABORT), ["kill 1 kill silent_blocked"], id="after abort comes kill"
        ),
        pytest.param(killed(busy(1), KillStep.KILL, 99), [], id="after kill comes only the reap"),
        pytest.param(killed(busy(1))._replace(kill_step=None), [], id="a kill of unknown step is somebody else's"),
        pytest.param(killed(busy(1))._replace(killed_at=None), [], id="a kill of unknown time is somebody else's"),
        pytest.param(killed(booting(1, 31)), ["kill 1 abort boot_timeout"], id="the ladder of a boot keeps its reason"),
        pytest.param(
            killed(draining(1, -1)), ["kill 1 abort overstayed_drain"], id="the ladder of a drain keeps its reason"
        ),
        pytest.param(
            killed(draining(1, 5, **QUIET)), ["kill 1 abort silent_blocked"], id="silence in a drain keeps its reason"
        ),
    ],
)
def test_a_worker_is_judged(worker: WorkerView, expected: list[str]) -> None:
    assert said(plan_for(ROOM, one_of(worker))) == expected


@pytest.mark.parametrize(
    ("worker", "stop_by", "expected"),
    [
        pytest.param(busy(1), 5, ["drain 1 stopping", "end_mold 1 stopping"], id="serving drains"),
        pytest.param(booting(1), 5, ["drain 1 stopping", "end_mold 1 stopping"], id="booting drains"),
        pytest.param(
            busy(1), 0, ["kill 1 kill stopping", "end_mold 1 stopping"], id="at the deadline serving is killed"
        ),
        pytest.param(draining(1, 5), 5, ["end_mold 1 stopping"], id="one that drains by then isn't told twice"),
        pytest.param(draining(1, 3), 5, ["end_mold 1 stopping"], id="an earlier deadline of its own stands"),
        pytest.param(
            draining(1, 9), 5, ["drain 1 stopping", "end_mold 1 stopping"], id="a later deadline moves earlier"
        ),
        pytest.param(
            draining(1, None), 5, ["drain 1 stopping", "end_mold 1 stopping"], id="a drain without deadline gets one"
        ),
        pytest.param(
            draining(1, 0),
            5,
            ["kill 1 dump overstayed_drain", "end_mold 1 stopping"],
            id="an overstayed one gets the ladder",
        ),
        pytest.param(
            draining(1, 0), 0, ["kill 1 dump overstayed_drain", "end_mold 1 stopping"], id="at the stop's deadline too"
        ),
        pytest.param(
            draining(1, 3), 0, ["kill 1 kill stopping", "end_mold 1 stopping"], id="a hurried stop kills at once"
        ),
        pytest.param(
            killed(draining(1, -0.1), ago=0.1),
            -0.1,
            ["end_mold 1 stopping"],
            id="a ladder begun at the deadline goes on",
        ),
        pytest.param(
            killed(draining(1, 3), ago=0.1),
            0,
            ["kill 1 kill stopping", "end_mold 1 stopping"],
            id="unless it is hurried",
        ),
        pytest.param(killed(busy(1), ago=0.1), 5, ["end_mold 1 stopping"], id="a ladder goes on at its pace"),
        pytest.param(
            killed(busy(1), ago=0.1), 0, ["kill 1 kill stopping", "end_mold 1 stopping"], id="or ends at once"
        ),
        pytest.param(killed(busy(1), KillStep.KILL), 0, ["end_mold 1 stopping"], id="who was killed isn't told again"),
    ],
)
def test_a_stop_drains_everyone_by_its_deadline(worker: WorkerView, stop_by: float, expected: list[str]) -> None:
    plan = plan_for(ROOM, pool(worker, stop_at=NOW, stop_by=NOW + s(stop_by)))
    assert sorted(said(plan)) == sorted(expected)


def test_a_stop_to_come_is_only_waited_for() -> None:
    plan = plan_for(ROOM, pool(busy(1), stop_at=NOW + s(2), stop_by=NOW + s(9)))
    assert said(plan) == []
    assert plan.next_check_at == NOW + s(2)


def test_a_stop_without_deadline_has_the_drain_timeout() -> None:
    plan = plan_for(ROOM, pool(busy(1), stop_at=NOW, molds=()))
    assert plan.next_check_at == NOW + s(30)


@pytest.mark.parametrize(
    ("worker", "after"),
    [
        pytest.param(busy(1), 29, id="the earliest silence"),
        pytest.param(booting(1), 29, id="the end of a boot"),
        pytest.param(draining(1, 4), 4, id="the end of a drain"),
        pytest.param(draining(1, None), 29, id="the silence of a drain without deadline"),
        pytest.param(killed(busy(1), ago=0.1), 0.2, id="the next step of a ladder"),
        pytest.param(killed(busy(1), KillStep.KILL), None, id="nothing once it is killed"),
    ],
)
def test_the_next_look_is_at(worker: WorkerView, after: float | None) -> None:
    plan = plan_for(PoolConfig(min_workers=0, sizing=KEPT), one_of(worker))
    assert plan.next_check_at == (None if after is None else NOW + s(after))


@pytest.mark.parametrize(
    ("worker", "after"),
    [
        pytest.param(busy(1, drain_wanted=Owner.APP, heard_at=NOW - s(25)), 5, id="its silence"),
        pytest.param(booting(1, 25, drain_wanted=Owner.APP), 30, id="its deadline, before it is ready"),
    ],
)
def test_a_worker_that_is_told_to_drain_is_looked_at_again_at(worker: WorkerView, after: float) -> None:
    plan = plan_for(PoolConfig(min_workers=0, sizing=KEPT), one_of(worker))
    assert said(plan) == ["drain 1 requested"]
    assert plan.next_check_at == NOW + s(after)


def test_a_frozen_host_ends_nobody_for_silence() -> None:
    asleep = STARTED._replace(last_now=NOW - s(500), next_check_at=NOW - s(400))
    view = pool(busy(1, heard_at=NOW - s(500)), busy(2, heard_at=NOW - s(500)), booting(3, 500))
    plan = plan_for(PoolConfig(min_workers=0, sizing=KEPT), view, asleep)
    assert said(plan) == []
    assert plan.memory.awake_at == NOW
    assert plan.next_check_at == NOW + s(30)


def test_a_look_a_second_late_is_not_a_frozen_host() -> None:
    memory = STARTED._replace(next_check_at=NOW - s(1))
    assert plan_for(ROOM, pool(busy(1, **QUIET)), memory).decisions != ()


def test_a_clock_that_goes_back_stands_still() -> None:
    memory = STARTED._replace(last_now=NOW + s(5))
    plan = plan_for(ROOM, pool(busy(1)), memory)
    assert plan.memory.last_now == NOW + s(5)


def test_a_silent_worker_is_replaced_in_the_same_plan() -> None:
    plan = plan_for(PoolConfig(min_workers=1, max_workers=1), pool(serving(1, **QUIET)))
    assert said(plan) == ["kill 1 dump silent_blocked", "spawn below_min"]


def test_figures_tell_the_verdict_again() -> None:
    (decision,) = plan_for(ROOM, pool(busy(1, **QUIET, cpu_ns=3))).decisions
    assert decision.because.figures == (("silent_ns", s(30)), ("heartbeat_timeout_ns", s(30)), ("cpu_ns", 3))


def test_an_unknown_predecessor_is_nobody() -> None:
    view = pool(busy(1, replaces=WorkerId(1)), busy(2, replaces=WorkerId(77)))
    assert said(plan_for(ROOM, view)) == []
    assert {worker.phase for worker in view.workers} == {Phase.SERVING}
