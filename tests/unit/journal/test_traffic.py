"""A load that was recorded is the load that was played: how many, when, and how much session time on the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork.journal.entries import Entry, Key, Look
from prefork.journal.traffic import sessions_of
from prefork.policy.config import PoolConfig, SpareSizing
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import Phase, PoolView, WorkerId, WorkerView
from prefork.policy.units import NS
from prefork.simulation import Exponential, Flash, Host, Poisson, Recorded, Traffic, simulate

if TYPE_CHECKING:
    from prefork.policy.memory import Plan

POOL = PoolConfig(max_workers=40, max_sessions=2, sizing=SpareSizing())


def recorded(traffic: Traffic) -> tuple[list[Entry], float]:
    """What a pool saw, and how much session time there was."""
    entries: list[Entry] = []

    def watched(config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        plan = decide(config, view, memory)
        entries.append(Look(view, plan.decisions, plan.withheld, plan.next_check_at))
        return plan

    run = simulate(POOL, traffic, 1, Host(lull="0s"), watched)
    return entries, run.session_seconds


def key(unix_ns: int) -> Key:
    return Key(unix_ns, 0, {}, {}, Memory())


@pytest.mark.parametrize(
    "traffic",
    [
        pytest.param(Poisson(20, lasts="60s", length=Exponential("1s")), id="longer than a look"),
        pytest.param(Poisson(200, lasts="20s", length=Exponential("10ms")), id="shorter than a look"),
        pytest.param(Flash(2, 60, at="10s", lasts="60s", length=Exponential("300ms")), id="a crowd"),
    ],
)
def test_it_comes_back(traffic: Traffic) -> None:
    entries, held_s = recorded(traffic)
    played = sessions_of(entries)
    real = [*traffic.sessions(1)]
    assert len(played) >= len(real) - 5  # who came after the last look isn't in it
    assert sum(each.length for each in played) / NS == pytest.approx(held_s, rel=0.05)
    late = [each.at - at for each, (at, _) in zip(played, real, strict=False)]
    late.sort()
    assert -NS // 2 < late[len(late) // 20] <= late[-len(late) // 20] < NS // 2
    again = Recorded([each.at for each in played], [each.length for each in played])
    assert simulate(POOL, again, 1).mean_sessions == pytest.approx(simulate(POOL, traffic, 1).mean_sessions, rel=0.1)


def test_two_pools_one_after_another_are_the_load_of_both() -> None:
    entries, held_s = recorded(Poisson(20, lasts="60s", length=Exponential("1s")))
    last = max(entry.view.now for entry in entries if isinstance(entry, Look))
    later = [entry._replace(view=entry.view._replace(seed=2)) for entry in entries if isinstance(entry, Look)]
    one = sessions_of([key(0), *entries])
    both = sessions_of([key(0), *entries, key(2 * last), *later])  # the machine's clock began anew
    assert both == [*one, *(each._replace(at=each.at + 2 * last) for each in one)]
    assert sum(each.length for each in both) / NS == pytest.approx(2 * held_s, rel=0.05)


def test_nobody_came() -> None:
    assert sessions_of([]) == []
    assert sessions_of([Look(PoolView(now=5, seed=1, generation=1), (), (), None)]) == []


def test_whom_a_worker_accepted_right_before_it_died_is_there() -> None:
    one = WorkerView(WorkerId(1), 1, Phase.SERVING, 0, ready_at=0)
    views = [
        PoolView(NS, 1, 1, (one,)),
        PoolView(2 * NS, 1, 1, (one._replace(accepted=1, sessions=1),), arrivals=1),
        PoolView(3 * NS, 1, 1, (), arrivals=3, held_ns=2 * NS),
    ]
    played = sessions_of([Look(view, (), (), None) for view in views])
    assert [each.at for each in played] == [NS, 2 * NS, 2 * NS]
    assert [each.length for each in played] == [NS, NS // 2, NS // 2]
