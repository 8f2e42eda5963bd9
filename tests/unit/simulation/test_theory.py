"""Queues of known law: what the simulator measures lies within the confidence bounds around what theory says.

Confidence is 99.9 %, by independent runs. The seeds are fixed, so a test that passes goes on passing.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import pytest

from prefork.simulation import Constant, Exponential, Host, Length, Lognormal, LongLived, Pareto, Poisson, simulate
from tests.unit.simulation.loads import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.simulation import Run

RUNS = 12
T_999 = 4.437
"""Student's t for 11 degrees of freedom, two-sided, 99.9 %."""
LOAD = 10.0
MEAN_S = 0.2
IDLE_MASTER = Host(lull="10s", busy=0)
"""A static size asks for no look, and a look costs most of the time; no session slows another."""


def erlang_c(servers: int) -> float:
    """Share of the arrivals that wait, in M/M/n. Source: Erlang 1917."""
    term = total = 1.0
    for busy in range(1, servers):
        term *= LOAD / busy
        total += term
    last = term * LOAD / servers * servers / (servers - LOAD)
    return last / (total + last)


def p99(servers: int) -> float:
    """Waits are exponential, given that there is one."""
    return max(0.0, math.log(erlang_c(servers) / 0.01) * MEAN_S / (servers - LOAD))


@cache
def runs_of(servers: int) -> list[Run]:
    traffic = Poisson(LOAD / MEAN_S, lasts="600s", length=Exponential(MEAN_S))
    return [simulate(fixed(servers), traffic, seed, IDLE_MASTER) for seed in range(RUNS)]


def agrees(figures: Sequence[float], truth: float, within: float) -> bool:
    """Whether the truth lies in the confidence interval, and the interval is narrow enough to mean something."""
    half = T_999 * stdev(figures) / math.sqrt(len(figures))
    assert half <= within * truth, f"{fmean(figures)} ± {half}"
    return abs(fmean(figures) - truth) <= half


def test_theory_itself_is_what_the_policy_page_says() -> None:
    assert (round(erlang_c(16), 4), round(p99(16) * 1000, 1)) == (0.0573, 58.2)
    assert (round(erlang_c(18), 4), round(p99(18) * 1000, 1)) == (0.0159, 11.6)


@pytest.mark.parametrize("servers", [16, 18])
def test_waits_agree_with_erlang_c(servers: int) -> None:
    runs = runs_of(servers)
    assert agrees([run.share_waiting() for run in runs], erlang_c(servers), within=0.2)
    assert agrees([run.share_waiting_over(p99(servers)) for run in runs], 0.01, within=0.3)
    assert agrees([run.mean_wait for run in runs], erlang_c(servers) * MEAN_S / (servers - LOAD), within=0.4)


def test_the_99th_percentile_agrees_with_erlang_c() -> None:
    assert agrees([run.p99_wait for run in runs_of(16)], p99(16), within=0.2)


@pytest.mark.parametrize(
    "length",
    [Constant("1s"), Exponential("1s"), Pareto("1s", 2.5), Lognormal("1s"), LongLived(0.1, Constant("5s"))],
    ids=lambda length: type(length).__name__,
)
def test_littles_law_holds_whatever_the_lengths(length: Length) -> None:
    """The number in the system = rate of arrivals * time in the system, but for those in it at the end."""
    run = simulate(fixed(12), Poisson(10, lasts="500s", length=length), host=IDLE_MASTER)
    done = run.arrivals - run.waiting - run.holding / 2
    in_system = run.mean_sessions + run.mean_queue
    time_in_system = run.mean_wait + run.session_seconds / done
    assert run.refused == run.lost == 0
    assert in_system == pytest.approx(run.arrivals / run.seconds * time_in_system, rel=0.02)


def test_with_room_for_all_the_number_of_sessions_is_that_of_m_g_inf() -> None:
    """Mean rate * length, whatever the distribution of lengths."""
    traffic = Poisson(20, lasts="500s", length=Lognormal("500ms", 1.0))
    means = [simulate(fixed(1, places=0), traffic, seed, IDLE_MASTER).mean_sessions for seed in range(RUNS)]
    assert agrees(means, 10.0, within=0.05)


def test_a_queue_that_nobody_can_empty_grows_by_what_is_too_much() -> None:
    """One worker, twice its load: half of the arrivals wait at the end."""
    run = simulate(fixed(1), Poisson(10, lasts="500s", length=Constant("200ms")), host=Host(backlog=10_000))
    assert run.waiting == pytest.approx(run.arrivals / 2, rel=0.05)
    assert run.mean_queue == pytest.approx(run.waiting / 2, rel=0.1)
