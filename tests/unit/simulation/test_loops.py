"""A loop that its sessions keep busy: how busy it is, and how it slows them once it has too much."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

import pytest

from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.policy.model import PoolView, Reason
from prefork.policy.units import NS
from prefork.simulation import Exponential, Host, Hung, Killed, Poisson, Step, simulate
from tests.unit.simulation.loads import MS, ORIGIN, fixed, listed

if TYPE_CHECKING:
    from prefork.policy.memory import Memory, Plan

HALF = Host(busy=0.5)


def test_sessions_that_fit_into_the_loop_last_as_long_as_alone() -> None:
    run = simulate(fixed(1, places=0), listed((0, 400), (100, 400)), host=HALF)
    assert run.session_seconds == pytest.approx(0.8)
    assert run.busy_seconds == pytest.approx(0.4)


def test_sessions_that_don_t_fit_share_the_loop_evenly() -> None:
    """Four ask for two loops' time: each takes twice as long, and the loop is busy all the time."""
    run = simulate(fixed(1, places=0), listed(*[(0, 300)] * 4), host=HALF)
    assert run.session_seconds == pytest.approx(4 * 0.6)
    assert run.busy_seconds == pytest.approx(0.6)
    assert run.served == 4


def test_speed_changes_with_whoever_comes_and_goes() -> None:
    """From 0 to 100 ms alone, then three at 2/3 of the speed: the short one takes 150 ms, and two fit again."""
    run = simulate(fixed(1, places=0), listed((0, 300), (100, 100), (100, 500)), host=HALF)
    ends = [0.1 + 0.15 + 0.1, 0.25, 0.25 + 0.4]
    assert run.session_seconds == pytest.approx(ends[0] + (ends[1] - 0.1) + (ends[2] - 0.1))
    assert run.busy_seconds == pytest.approx(0.5 * 0.1 + 0.15 + 0.1 + 0.5 * 0.3)


def test_each_worker_has_a_loop_of_its_own() -> None:
    run = simulate(fixed(2, places=0), listed(*[(0, 300)] * 4), host=HALF)
    assert run.session_seconds == pytest.approx(4 * 0.3)
    assert run.busy_seconds == pytest.approx(2 * 0.3)


def test_a_loop_that_is_always_busy_is_a_queue_with_processor_sharing() -> None:
    """M/G/1-PS: load / (1 - load) sessions on average, whatever the lengths. Source: Kleinrock, Queueing Systems 2."""
    traffic = Poisson(6, lasts="2000s", length=Exponential("100ms"))
    runs = [simulate(fixed(1, places=0), traffic, seed, Host(busy=1.0, lull="10s")) for seed in range(6)]
    assert fmean(run.mean_sessions for run in runs) == pytest.approx(0.6 / 0.4, rel=0.04)
    assert fmean(run.busy_seconds / run.seconds for run in runs) == pytest.approx(0.6, rel=0.02)


def test_a_loop_that_hangs_is_busy_and_one_that_is_killed_is_not() -> None:
    hung = Host(busy=0.5, faults=(Hung("200ms"),))
    assert simulate(fixed(1), listed((0, 900)), host=hung).busy_seconds == pytest.approx(0.1 + 0.8)
    dead = Host(busy=0.5, faults=(Killed("200ms"),))
    run = simulate(fixed(1, places=0), listed(*[(0, 300)] * 4), host=dead)
    assert run.lost == 4
    assert run.busy_seconds == pytest.approx(0.2)


def test_the_view_has_the_busy_time_up_to_the_look() -> None:
    seen: list[tuple[int, int]] = []

    def watched(config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        seen.append(((view.now - ORIGIN) // MS, view.busy_ns // MS))
        return decide(config, view, memory)

    simulate(fixed(1, places=0), listed((100, 500), (300, 500)), host=Host(busy=0.5, lull="0s"), decide=watched)
    assert [one for one in seen if one[0] > 0] == [(100, 0), (300, 100)]


def test_the_default_config_grows_to_what_keeps_loops_busy_for_seven_tenths() -> None:
    """60 sessions of a twentieth each are three loops' time: five workers."""
    step = Step(before=0, after=60, at="10s", lasts="5m", length=Exponential("1s"))
    run = simulate(PoolConfig(), step)
    assert run.workers.at(9 * NS) == 2
    assert 5 <= run.workers.at(299 * NS) <= 6
    assert run.count(Reason.DEMAND) > 0


def test_a_share_is_a_share() -> None:
    with pytest.raises(ValueError, match=r"busy \(5\) is no share"):
        Host(busy=5)
