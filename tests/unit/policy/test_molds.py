"""Decision tables: which mold starts, and which ends."""

from __future__ import annotations

from typing import Any

import pytest

from prefork.policy.config import PoolConfig
from prefork.policy.memory import Memory
from prefork.policy.model import EndMold, MoldPhase, MoldView, PoolView
from tests.unit.policy.pools import MOLD, NOW, STARTED, plan_for, pool, s, said

NEW = MoldView(2, MoldPhase.READY, NOW)
STARTING = MoldView(2, MoldPhase.STARTING, NOW - s(1))


@pytest.mark.parametrize(
    ("molds", "more", "memory", "expected"),
    [
        pytest.param([], {"generation": 0}, Memory(), ["start_mold 1 first_mold"], id="the first mold"),
        pytest.param([MoldView(1, MoldPhase.STARTING, NOW)], {"generation": 0}, Memory(), [], id="is waited for"),
        pytest.param([MoldView(1, MoldPhase.READY, NOW)], {"generation": 0}, Memory(), [], id="ready, not yet counted"),
        pytest.param(
            [MoldView(1, MoldPhase.FAILED, NOW)], {"generation": 0}, Memory(), [], id="a failed first isn't tried again"
        ),
        pytest.param(
            [], {"generation": 0}, Memory(newest_mold=1, first_mold_failed=True), [], id="even when it is forgotten"
        ),
        pytest.param([], {"generation": 0}, Memory(newest_mold=1), ["start_mold 1 mold_gone"], id="a lost first is"),
        pytest.param(
            [MOLD], {"reload_wanted": True}, STARTED, ["start_mold 2 reload"], id="a reload takes a new number"
        ),
        pytest.param(
            [MOLD],
            {"reload_wanted": True},
            STARTED._replace(newest_mold=6),
            ["start_mold 7 reload"],
            id="never used before",
        ),
        pytest.param([MOLD, STARTING], {"reload_wanted": True}, STARTED, [], id="one reload at a time"),
        pytest.param(
            [MOLD, STARTING._replace(since_at=NOW - s(60))],
            {"reload_wanted": True},
            STARTED,
            ["end_mold 2 by force import_timeout", "start_mold 3 reload"],
            id="but the next when that one is told to go",
        ),
        pytest.param([], {"reload_wanted": True}, STARTED, ["start_mold 2 reload"], id="a reload is a restart too"),
        pytest.param(
            [MOLD, MoldView(2, MoldPhase.STARTING, NOW - s(60))],
            {},
            STARTED,
            ["end_mold 2 by force import_timeout"],
            id="an import that overstays is ended by force",
        ),
        pytest.param(
            [MOLD, MoldView(2, MoldPhase.STARTING, NOW - s(5), s(5))],
            {},
            STARTED,
            ["end_mold 2 by force import_timeout"],
            id="by the time that its own config gives it",
        ),
        pytest.param(
            [MOLD, MoldView(2, MoldPhase.STARTING, NOW - s(60), s(90))],
            {},
            STARTED,
            [],
            id="be it longer than the pool's",
        ),
        pytest.param(
            [MOLD, NEW], {"generation": 2}, STARTED, ["end_mold 1 mold_superseded"], id="the superseded mold is ended"
        ),
        pytest.param(
            [MoldView(1, MoldPhase.ENDING, NOW - s(0.9)), NEW], {"generation": 2}, STARTED, [], id="it has a second"
        ),
        pytest.param(
            [MoldView(1, MoldPhase.ENDING, NOW - s(1)), NEW],
            {"generation": 2},
            STARTED,
            ["end_mold 1 by force mold_superseded"],
            id="then force",
        ),
        pytest.param(
            [MoldView(1, MoldPhase.ENDING, NOW - s(1)), NEW],
            {"generation": 2},
            STARTED._replace(forced_molds=((1, NOW - s(1)),)),
            [],
            id="once",
        ),
        pytest.param(
            [MoldView(1, MoldPhase.GONE, NOW)],
            {},
            STARTED,
            ["start_mold 1 mold_gone"],
            id="a lost mold keeps its number",
        ),
        pytest.param([MoldView(1, MoldPhase.ENDING, NOW)], {}, STARTED, [], id="not while the old one ends"),
        pytest.param(
            [],
            {},
            STARTED._replace(mold_restarts=2, mold_lost_at=NOW - s(1.9)),
            ["1 start_mold withheld mold_gone"],
            id="restarts back off",
        ),
        pytest.param(
            [],
            {},
            STARTED._replace(mold_restarts=2, mold_lost_at=NOW - s(2)),
            ["start_mold 1 mold_gone"],
            id="and come",
        ),
        pytest.param(
            [MOLD, STARTING],
            {"stop_at": NOW, "stop_by": NOW + s(9)},
            STARTED,
            ["end_mold 1 stopping", "end_mold 2 stopping"],
            id="a stop ends every mold",
        ),
        pytest.param(
            [MoldView(1, MoldPhase.ENDING, NOW - s(2))],
            {"stop_at": NOW, "stop_by": NOW + s(9)},
            STARTED,
            ["end_mold 1 by force stopping"],
            id="by force if need be",
        ),
    ],
)
def test_molds(molds: list[MoldView], more: dict[str, Any], memory: Memory, expected: list[str]) -> None:
    config = PoolConfig(min_workers=0)
    assert said(plan_for(config, pool(**({"molds": tuple(molds)} | more)), memory)) == expected


@pytest.mark.parametrize(
    ("view", "memory", "after"),
    [
        pytest.param(pool(molds=(), generation=0), Memory(), 60, id="the first"),
        pytest.param(pool(molds=()), STARTED, 60, id="a lost one"),
        pytest.param(pool(molds=(), import_timeout_ns=s(5)), STARTED, 60, id="a lost one has the pool's config"),
        pytest.param(pool(reload_wanted=True), STARTED, 60, id="a reload"),
        pytest.param(pool(reload_wanted=True, import_timeout_ns=s(5)), STARTED, 5, id="a reload to a shorter one"),
        pytest.param(pool(molds=(MOLD, STARTING)), STARTED, 59, id="one that imports"),
        pytest.param(pool(molds=(MOLD, STARTING._replace(import_timeout_ns=s(5)))), STARTED, 4, id="under its own"),
    ],
)
def test_an_import_is_looked_at_when_it_would_overstay(view: PoolView, memory: Memory, after: float) -> None:
    assert plan_for(PoolConfig(min_workers=0), view, memory).next_check_at == NOW + s(after)


@pytest.mark.parametrize(
    ("view", "memory", "expected"),
    [
        pytest.param(pool(molds=(), generation=0), Memory(), (1, None), id="the first"),
        pytest.param(
            pool(reload_wanted=True), STARTED._replace(newest_mold=6, mold_lost_at=NOW), (7, None), id="a reload"
        ),
        pytest.param(pool(molds=()), STARTED._replace(newest_mold=6), (6, None), id="a lost one"),
        pytest.param(pool(molds=(MOLD, STARTING)), STARTED, (2, None), id="one that is there"),
        pytest.param(pool(molds=(), generation=5), STARTED, (5, None), id="the pool's own"),
    ],
)
def test_the_highest_generation_is_remembered(view: PoolView, memory: Memory, expected: tuple[int, int | None]) -> None:
    after = plan_for(PoolConfig(min_workers=0), view, memory).memory
    assert (after.newest_mold, after.mold_lost_at) == expected


def test_an_import_that_overstays_is_ended_by_force() -> None:
    late = STARTING._replace(since_at=NOW - s(60))
    (decision,) = plan_for(PoolConfig(min_workers=0), pool(molds=(MOLD, late))).decisions
    assert isinstance(decision, EndMold)
    assert decision.force is True


def test_a_restart_is_waited_for() -> None:
    plan = plan_for(PoolConfig(min_workers=0), pool(molds=()), STARTED._replace(mold_restarts=1))
    assert plan.next_check_at == NOW + s(1)
    assert plan.memory.mold_lost_at == NOW


def test_a_mold_that_lasts_clears_the_restarts() -> None:
    memory = STARTED._replace(mold_restarts=3)
    young = MOLD._replace(since_at=NOW - s(29))
    assert plan_for(PoolConfig(), pool(), memory).memory.mold_restarts == 0
    assert plan_for(PoolConfig(), pool(molds=(young,)), memory).memory.mold_restarts == 3
    just = MOLD._replace(since_at=NOW - s(30))
    assert plan_for(PoolConfig(), pool(molds=(just,)), memory).memory.mold_restarts == 0


@pytest.mark.parametrize(
    ("molds", "lost_at", "restarts", "expected"),
    [
        pytest.param((), None, 0, (None, 1), id="a restart is counted"),
        pytest.param((), NOW - s(9), 2, (None, 3), id="and the loss is over"),
        pytest.param((), NOW - s(1), 2, (NOW - s(1), 2), id="while it is waited for, it isn't"),
        pytest.param((MOLD,), NOW - s(9), 2, (None, 0), id="nor is it once a mold is there"),
        pytest.param((MOLD._replace(phase=MoldPhase.STARTING),), NOW - s(9), 2, (None, 2), id="or starts"),
    ],
)
def test_a_lost_mold_is_remembered(
    molds: tuple[MoldView, ...], lost_at: int | None, restarts: int, expected: tuple[int | None, int]
) -> None:
    memory = STARTED._replace(mold_lost_at=lost_at, mold_restarts=restarts)
    after = plan_for(PoolConfig(min_workers=0), pool(molds=molds), memory).memory
    assert (after.mold_lost_at, after.mold_restarts) == expected


def test_a_mold_is_ended_by_force_once_and_only_one_that_was_told() -> None:
    config, view = PoolConfig(min_workers=0), pool(molds=(MOLD, STARTING))
    waited = plan_for(config, view).memory
    late = view._replace(now=STARTING.since_at + s(60))
    ended = plan_for(config, late, waited._replace(awake_at=0, next_check_at=late.now))
    assert (said(ended), ended.memory.forced_molds) == (
        ["end_mold 2 by force import_timeout"],
        ((2, STARTING.since_at),),
    )
    again = plan_for(config, late._replace(now=late.now + 1), ended.memory)
    assert (said(again), again.memory.forced_molds) == ([], ended.memory.forced_molds)
