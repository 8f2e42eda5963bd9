"""A seed is a run, on every machine; and a run is as large in memory for many sessions as for few."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.simulation import (
    ClockBursts,
    Flash,
    Host,
    Hung,
    Killed,
    Lognormal,
    Poisson,
    Replay,
    Run,
    simulate,
)
from tests.unit.simulation.loads import MS, ORIGIN, fixed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.policy.memory import Memory, Plan
    from prefork.policy.model import PoolView

CONFIG = PoolConfig(max_workers=12, max_sessions=2)
HOST = Host(faults=(Killed("20s", 2), Hung("30s")), boot_failures=0.1, boot_hangs=0.1)
TRAFFIC = Flash(5, 60, at="10s", lasts="1m", length=Lognormal("300ms")) + ClockBursts(20, every="15s", lasts="1m")
PROGRAM = """
from tests.unit.simulation.test_reproducible import story
print(story())
"""


def story(seed: int = 3) -> list[object]:
    """Whatever a run tells."""
    run = simulate(CONFIG, TRAFFIC, seed, HOST)
    counts = run.arrivals, run.served, run.lost, run.flaps, run.looks, run.mean_workers, run.mean_wait
    return [counts, list(run.workers), list(run.waits.bars()), run.decisions, run.samples]


def test_one_seed_is_one_run() -> None:
    assert story() == story()


def test_another_seed_is_another_run() -> None:
    assert story(3) != story(4)


def test_a_run_does_not_depend_on_how_strings_are_hashed() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=50,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert told == {f"{story()}\n"}


def test_the_traffic_is_read_one_session_ahead() -> None:
    read: list[int] = []
    seen: list[tuple[int, int]] = []

    def sessions() -> Iterator[tuple[int, int]]:
        for at in range(1000):
            read.append(at)
            yield at * MS, MS // 2

    def watched(config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        seen.append((view.now - ORIGIN, len(read)))
        return decide(config, view, memory)

    simulate(CONFIG, Replay(sessions(), lasts="1s"), host=Host(lull="0s"), decide=watched)
    assert len(seen) > 20
    assert all(count <= now // MS + 2 for now, count in seen)


def peak(traffic: Poisson) -> tuple[int, Run]:
    """The most bytes that a run held at one time."""
    tracemalloc.start()
    try:
        run = simulate(fixed(40), traffic, host=Host(lull="10s"))
        return tracemalloc.get_traced_memory()[1], run
    finally:
        tracemalloc.stop()


def test_memory_is_flat_in_the_number_of_sessions() -> None:
    small, few = peak(Poisson(50, lasts="40s"))
    large, many = peak(Poisson(50, lasts="800s"))
    assert many.arrivals > 15 * few.arrivals
    assert large < small + 30_000, f"{few.arrivals} sessions took {small} bytes, {many.arrivals} took {large}"
