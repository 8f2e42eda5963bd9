"""Decision tables: what an exit costs, and what may be born in spite of it."""

from __future__ import annotations

import pytest

from prefork.policy.config import CrashConfig, PoolConfig, RecycleConfig, SpareSizing, StaticSizing
from prefork.policy.crash import is_crash, is_outside
from prefork.policy.memory import Memory
from prefork.policy.model import ExitView, PoolView, Reason, WorkerId
from tests.unit.policy.pools import NOW, STARTED, booting, busy, draining, ended, plan_for, pool, s, said, serving

ONE = PoolConfig(min_workers=1, max_workers=4, sizing=SpareSizing(min_spare=1, max_spare=4), crash=CrashConfig(burst=2))
SPENT = STARTED._replace(crash_spent_ns=s(21))
DEGRADED = STARTED._replace(degraded_at=NOW - s(20), probe_at=NOW, failed_probes=1)


@pytest.mark.parametrize(
    ("exit_", "kind"),
    [
        pytest.param(ended(ready_ago=None, code=0), "crash", id="before ready, whatever the code"),
        pytest.param(ended(ready_ago=None, signal=9), "crash", id="before ready, whatever the signal"),
        pytest.param(ended(code=1), "crash", id="an exit code before healthy_after"),
        pytest.param(ended(code=0), "crash", id="even the code 0"),
        pytest.param(ended(signal=11), "crash", id="a fault signal before healthy_after"),
        pytest.param(ended(signal=9, oom=True), "crash", id="the kernel's OOM killer before healthy_after"),
        pytest.param(ended(signal=9), "outside", id="a kill from outside"),
        pytest.param(ended(ready_ago=30, code=1), "nothing", id="an exit code after healthy_after"),
        pytest.param(ended(ready_ago=30, signal=11), "outside", id="a fault after healthy_after"),
        pytest.param(ended(ordered=Reason.SURPLUS, code=1), "nothing", id="an exit that was ordered"),
        pytest.param(ended(ready_ago=None, ordered=Reason.BOOT_TIMEOUT), "crash", id="but a failed boot is a crash"),
        pytest.param(ended(ready_ago=None, born=False), "nothing", id="a fork that failed has a back-off of its own"),
    ],
)
def test_an_exit_is_judged(exit_: ExitView, kind: str) -> None:
    verdicts = {"crash": is_crash(exit_, s(30)), "outside": is_outside(exit_, s(30))}
    assert [name for name, true in verdicts.items() if true] == ([] if kind == "nothing" else [kind])


@pytest.mark.parametrize(
    ("view", "memory", "expected"),
    [
        pytest.param(
            pool(exits=(ended(code=1),)), STARTED, ["spawn below_min"], id="while tokens last, refill is immediate"
        ),
        pytest.param(
            pool(exits=(ended(1, code=1), ended(2, code=1))), STARTED, ["spawn below_min"], id="the last token too"
        ),
        pytest.param(
            pool(exits=(ended(1, code=1), ended(2, code=1), ended(3, code=1))),
            STARTED,
            ["1 spawn withheld crash_tokens"],
            id="without a token the pool is degraded",
        ),
        pytest.param(
            pool(exits=(ended(code=1),)),
            STARTED._replace(exits_seen=1, crash_spent_ns=s(99)),
            ["spawn below_min"],
            id="an exit is judged once",
        ),
        pytest.param(
            pool(exits=(ended(code=1),)), SPENT, ["1 spawn withheld crash_tokens"], id="a token not yet refilled"
        ),
        pytest.param(
            pool(exits=(ended(code=1),)),
            STARTED._replace(crash_spent_ns=s(11)),
            ["spawn below_min"],
            id="a token just refilled",
        ),
        pytest.param(
            pool(exits=(ended(signal=9),)), SPENT, ["spawn below_min"], id="a kill from outside takes no token"
        ),
        pytest.param(pool(), DEGRADED, ["spawn probe"], id="a probe when its instant has come"),
        pytest.param(
            pool(queue=1),
            DEGRADED,
            ["spawn probe", "1 spawn withheld crash_tokens"],
            id="one probe, whatever is wanted",
        ),
        pytest.param(
            pool(busy(1, 90), busy(2, 90), queue=9, generation=1),
            DEGRADED,
            ["spawn probe", "1 spawn withheld crash_tokens"],
            id="one at a time",
        ),
        pytest.param(pool(), DEGRADED._replace(probe_at=NOW + 1), ["1 spawn withheld crash_tokens"], id="not before"),
        pytest.param(
            pool(booting(1, 5), queue=1),
            DEGRADED,
            ["1 spawn withheld crash_tokens"],
            id="not while one is out, booting",
        ),
        pytest.param(
            pool(busy(1, 15), queue=1), DEGRADED, ["2 spawn withheld crash_tokens"], id="not while one is out, serving"
        ),
        pytest.param(
            pool(busy(1, 30)),
            DEGRADED._replace(degraded_at=NOW - s(40)),
            ["spawn few_spares"],
            id="a healthy probe ends it",
        ),
        pytest.param(
            pool(exits=(ended(ready_ago=30, code=0, forked_at=NOW - s(31)),)),
            DEGRADED._replace(degraded_at=NOW - s(40)),
            ["spawn below_min"],
            id="so does one that was healthy when it went",
        ),
        pytest.param(
            pool(exits=(ended(ready_ago=None, code=1),)),
            DEGRADED._replace(crash_spent_ns=s(20)),
            ["1 spawn withheld crash_tokens"],
            id="a probe that crashes is waited for",
        ),
        pytest.param(
            pool(exits=(ended(code=1, forked_at=NOW - s(50)),)),
            DEGRADED,
            ["spawn probe"],
            id="an older worker that crashes is no failed probe",
        ),
        pytest.param(pool(), DEGRADED._replace(generation=7), ["spawn below_min"], id="a new generation begins afresh"),
        pytest.param(
            pool(exits=(ended(ready_ago=None, born=False),)),
            STARTED,
            ["1 spawn withheld fork_failed"],
            id="a fork that failed",
        ),
        pytest.param(
            pool(),
            STARTED._replace(fork_failures=3, fork_retry_at=NOW),
            ["spawn below_min"],
            id="is tried again in time",
        ),
    ],
)
def test_births_after_exits(view: PoolView, memory: Memory, expected: list[str]) -> None:
    assert said(plan_for(ONE, view, memory)) == expected


TWO = PoolConfig(min_workers=2, max_workers=4, sizing=SpareSizing(min_spare=2, max_spare=4), crash=CrashConfig(burst=2))
NONE = PoolConfig(min_workers=0, max_workers=4, sizing=SpareSizing(), crash=CrashConfig(burst=2))
DEBT = STARTED._replace(outside_spent_ns=s(202))


@pytest.mark.parametrize(
    ("config", "view", "memory", "expected"),
    [
        pytest.param(
            TWO, pool(), DEBT._replace(outside_spent_ns=s(201)), ["spawn below_min"] * 2, id="without debt: at once"
        ),
        pytest.param(
            TWO,
            pool(),
            DEBT,
            ["spawn below_min", "1 spawn withheld outside_tokens"],
            id="in debt, with nobody up: one",
        ),
        pytest.param(
            TWO,
            pool(serving(1)),
            DEBT,
            ["spawn below_min"],
            id="in debt, with too few up: one",
        ),
        pytest.param(
            TWO, pool(busy(1), busy(2)), DEBT, ["2 spawn withheld outside_tokens"], id="in debt, with enough up: nobody"
        ),
        pytest.param(
            TWO, pool(serving(1), booting(2, 9), queue=1), DEBT, ["1 spawn withheld outside_tokens"], id="one at a time"
        ),
        pytest.param(TWO, pool(booting(2, 9)), DEBT, ["1 spawn withheld outside_tokens"], id="even if nobody serves"),
        pytest.param(
            TWO, pool(serving(1, 0.9)), DEBT, ["1 spawn withheld outside_tokens"], id="a second after the last birth"
        ),
        pytest.param(TWO, pool(serving(1, 1)), DEBT, ["spawn below_min"], id="and no later"),
        pytest.param(
            TWO,
            pool(draining(1, age=0.5)),
            DEBT,
            ["2 spawn withheld outside_tokens"],
            id="whatever became of that one",
        ),
        pytest.param(
            TWO,
            pool(),
            DEBT._replace(last_gone_forked_at=NOW - s(0.9)),
            ["2 spawn withheld outside_tokens"],
            id="even if it was killed",
        ),
        pytest.param(
            TWO,
            pool(exits=(ended(signal=9, ready_ago=0.2, forked_at=NOW - s(0.3)),)),
            DEBT,
            ["2 spawn withheld outside_tokens"],
            id="just now",
        ),
        pytest.param(NONE, pool(queue=2), DEBT, ["spawn few_spares"], id="min 0: somebody for those who wait"),
        pytest.param(
            NONE,
            pool(busy(1), queue=2),
            DEBT,
            ["1 spawn withheld outside_tokens"],
            id="min 0: but one that serves is enough",
        ),
        pytest.param(
            TWO,
            pool(),
            DEBT._replace(fork_failures=1, fork_retry_at=NOW + 1),
            ["2 spawn withheld fork_failed"],
            id="a failed fork is waited for",
        ),
        pytest.param(
            TWO,
            pool(),
            DEBT._replace(degraded_at=NOW - s(20), probe_at=NOW + 1),
            ["2 spawn withheld crash_tokens"],
            id="so is the probe of a degraded pool",
        ),
        pytest.param(
            TWO,
            pool(),
            DEBT._replace(degraded_at=NOW - s(20), probe_at=NOW),
            ["spawn probe", "1 spawn withheld crash_tokens"],
            id="which is this one birth too",
        ),
        pytest.param(
            TWO,
            pool(serving(1, 0.5)),
            DEBT._replace(degraded_at=NOW - s(20), probe_at=NOW),
            ["1 spawn withheld outside_tokens"],
            id="but a second after the last",
        ),
    ],
)
def test_in_debt_for_outside_kills_there_is_a_birth_a_second(
    config: PoolConfig, view: PoolView, memory: Memory, expected: list[str]
) -> None:
    assert said(plan_for(config, view, memory)) == expected


@pytest.mark.parametrize(
    ("view", "debt", "after"),
    [
        pytest.param(pool(serving(1, 0.25, heard_at=NOW)), 2, 0.75, id="the next birth"),
        pytest.param(pool(serving(1, 0.25, heard_at=NOW)), 0.5, 0.5, id="the end of the debt, where that is sooner"),
        pytest.param(pool(busy(1, heard_at=NOW), busy(2, heard_at=NOW)), 9, 9, id="the end of the debt"),
        pytest.param(pool(booting(1, 2)), 9, 9, id="while one boots, too"),
        pytest.param(pool(), 9, 9, id="for those that are left, when one is born"),
        pytest.param(pool(serving(1, 2, heard_at=NOW)), 9, 30, id="not at all when nothing is withheld"),
    ],
)
def test_a_debt_for_outside_kills_is_looked_at_again_at(view: PoolView, debt: float, after: float) -> None:
    plan = plan_for(TWO, view, STARTED._replace(outside_spent_ns=s(201 + debt)))
    assert plan.next_check_at == NOW + s(after)


def test_a_probe_that_goes_with_the_surplus_is_no_longer_out() -> None:
    recycle = RecycleConfig(max_age=3, jitter=0, max_surge=1)
    config = PoolConfig(max_workers=1, sizing=StaticSizing(workers=1), recycle=recycle, crash=CrashConfig(burst=2))
    memory = STARTED._replace(degraded_at=NOW - s(9), probe_at=NOW + s(3))
    plan = plan_for(config, pool(serving(1), serving(2), booting(3, replaces=WorkerId(2))), memory)
    assert said(plan) == ["drain 3 surplus", "retire 2 surplus", "1 replace withheld crash_tokens"]
    assert plan.next_check_at == NOW + s(3)


def test_nobody_ever_ready_gives_up_when_the_tokens_are_spent() -> None:
    never = STARTED._replace(ever_ready=False)
    exits = tuple(ended(seq, None, code=1) for seq in (1, 2, 3))
    plan = plan_for(ONE, pool(exits=exits), never)
    assert said(plan) == ["give_up never_ready"]
    assert said(plan_for(ONE, pool(), plan.memory)) == ["1 spawn withheld crash_tokens"]
    assert said(plan_for(ONE, pool(exits=exits[:2]), never)) == ["spawn below_min"]


def test_a_pool_that_stops_gives_nothing_up() -> None:
    never = STARTED._replace(ever_ready=False)
    exits = tuple(ended(seq, None, code=1) for seq in (1, 2, 3))
    assert said(plan_for(ONE, pool(exits=exits, molds=(), stop_at=NOW, stop_by=NOW + s(9)), never)) == []


def test_the_first_worker_ready_is_remembered() -> None:
    assert plan_for(ONE, pool(serving(1)), Memory()).memory.ever_ready
    assert not plan_for(ONE, pool(booting(1)), Memory()).memory.ever_ready


HEALTHY = ended(ready_ago=30, code=0, forked_at=NOW - s(31))
PROBED = DEGRADED._replace(degraded_at=NOW - s(40), crash_spent_ns=s(30))


@pytest.mark.parametrize(
    ("view", "memory", "expected"),
    [
        pytest.param(pool(exits=(HEALTHY,)), Memory(), {"ever_ready": True}, id="one that was ready, and is gone"),
        pytest.param(
            pool(exits=(HEALTHY._replace(seq=7), ended(6, code=1))),
            STARTED,
            {"exits_seen": 7, "last_gone_forked_at": NOW - s(2)},
            id="the last of several, the youngest of them",
        ),
        pytest.param(
            pool(exits=(HEALTHY,)), PROBED, {"degraded_at": None, "failed_probes": 0}, id="a probe that was healthy"
        ),
        pytest.param(pool(busy(1, 30)), PROBED, {"degraded_at": None, "failed_probes": 0}, id="a probe that is"),
        pytest.param(
            pool(exits=(ended(ready_ago=None, code=1),)),
            PROBED,
            {"failed_probes": 2, "probe_at": NOW + s(4), "degraded_at": NOW - s(40)},
            id="a probe that failed",
        ),
        pytest.param(
            pool(exits=(ended(ready_ago=None, code=1),)),
            STARTED._replace(crash_spent_ns=s(20), failed_probes=7),
            {"failed_probes": 0, "degraded_at": NOW, "probe_at": NOW + s(1)},
            id="the first crash without a token",
        ),
        pytest.param(
            pool(exits=(ended(ready_ago=None, code=1, forked_at=NOW - s(20)),)),
            DEGRADED._replace(crash_spent_ns=s(30)),
            {"failed_probes": 2},
            id="born in the instant of that crash, it is a probe",
        ),
        pytest.param(
            pool(exits=(ended(ready_ago=None, born=False, forked_at=NOW - s(5)),)),
            STARTED._replace(fork_failures=1, fork_failed_at=NOW - s(5)),
            {"fork_failures": 1},
            id="a fork asked for in the instant of the last failure",
        ),
        pytest.param(
            pool(serving(1, 5)),
            STARTED._replace(fork_failures=1, fork_failed_at=NOW - s(5)),
            {"fork_failures": 1},
            id="ready in the instant of the failure",
        ),
        pytest.param(
            pool(generation=2),
            PROBED,
            {"generation": 2, "degraded_at": None, "failed_probes": 0, "crash_spent_ns": 0},
            id="a new generation",
        ),
    ],
)
def test_what_is_remembered_of(view: PoolView, memory: Memory, expected: dict[str, object]) -> None:
    after = plan_for(ONE, view, memory).memory
    assert {name: getattr(after, name) for name in expected} == expected


def test_one_born_in_the_instant_of_the_crash_is_out_as_a_probe() -> None:
    plan = plan_for(ONE, pool(booting(1, 20), queue=1), DEGRADED)
    assert said(plan) == ["1 spawn withheld crash_tokens"]


@pytest.mark.parametrize(
    ("failed", "wait"),
    [pytest.param(0, 2, id="2 s"), pytest.param(3, 16, id="16 s"), pytest.param(900, 60, id="max_delay at most")],
)
def test_probes_back_off(failed: int, wait: int) -> None:
    memory = DEGRADED._replace(failed_probes=failed, crash_spent_ns=s(20))
    plan = plan_for(ONE, pool(exits=(ended(ready_ago=None, code=1),)), memory)
    assert plan.next_check_at == NOW + s(wait)


@pytest.mark.parametrize(
    ("failures", "wait"),
    [pytest.param(0, 0.1, id="0.1 s"), pytest.param(2, 0.4, id="0.4 s"), pytest.param(99, 60, id="max_delay at most")],
)
def test_failed_forks_back_off(failures: int, wait: float) -> None:
    memory = STARTED._replace(fork_failures=failures, fork_failed_at=NOW - s(9))
    exits = tuple(ended(seq, None, born=False) for seq in (1, 2, 3))
    plan = plan_for(ONE, pool(exits=exits), memory)
    assert plan.next_check_at == NOW + s(wait)
    assert plan.memory.fork_failures == failures + 1, "asked for together, they count once"


def test_a_worker_ready_later_clears_the_failed_forks() -> None:
    memory = STARTED._replace(fork_failures=2, fork_failed_at=NOW - s(9))
    assert plan_for(ONE, pool(serving(1, 8)), memory).memory.fork_failures == 0
    assert plan_for(ONE, pool(serving(1, 10)), memory).memory.fork_failures == 2
    assert plan_for(ONE, pool(exits=(ended(ready_ago=8, code=1),)), memory).memory.fork_failures == 0


def test_workers_killed_from_outside_are_restored_at_once() -> None:
    config = PoolConfig(min_workers=20, max_workers=20)
    memory = STARTED
    for wave in range(4):
        exits = tuple(ended(20 * wave + one, signal=9) for one in range(1, 21))
        plan = plan_for(config, pool(exits=exits), memory)
        assert len(plan.decisions) == 20
        memory = plan.memory
    exits = tuple(ended(80 + one, signal=9) for one in range(1, 200))
    plan = plan_for(config, pool(exits=exits), memory)
    assert plan.memory.outside_spent_ns == 2 * 80 * s(10), "debt is bounded"
    assert len(plan.decisions) == 1
