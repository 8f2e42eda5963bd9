"""The invariants of policy.md in pools that live: every look of simulated runs, with load and faults as they come.

The model world performs each plan as the scoreboard would and checks it; the simulator then performs it its own way. So
the next view of a run also tells whether both understand a decision alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork.policy.config import CrashConfig, PoolConfig, RecycleConfig, SpareSizing, StaticSizing
from prefork.policy.model import Phase, WorkerId
from prefork.simulation import (
    ClockBursts,
    Crashed,
    Flash,
    Host,
    Hung,
    Killed,
    Lognormal,
    LongLived,
    OnOff,
    Poisson,
    Reconnect,
    Sine,
    Traffic,
    simulate,
)
from tests.property.every import EVERY
from tests.property.world import World

if TYPE_CHECKING:
    from prefork.policy.memory import Memory, Plan
    from prefork.policy.model import PoolView

QUICK = {"heartbeat_interval": 1.0, "heartbeat_timeout": 4.0, "boot_timeout": 3.0, "drain_timeout": 4.0}
RECYCLE = RecycleConfig(max_age=9, max_served=30, max_idle=5, jitter=0.5, max_surge=2, max_unavailable=0.3)
WRONG = (Killed("8s", 2), Crashed("11s", 2), Hung("14s", 1), Killed("15s", 9), Crashed("21s", 3))

RUNS: dict[str, tuple[PoolConfig, Traffic, Host]] = {
    "a flash crowd, and all that goes wrong": (
        PoolConfig(max_workers=12, max_sessions=1, sizing=SpareSizing(hold=3), **QUICK),
        Flash(3, 40, at="5s", halves="4s", lasts="25s"),
        Host(lull="0s", faults=WRONG, boot_failures=0.1, boot_hangs=0.1),
    ),
    "workers are recycled under a wave": (
        PoolConfig(max_workers=8, max_sessions=3, sizing=SpareSizing(hold=2), recycle=RECYCLE, **QUICK),
        Sine(25, period="12s", lasts="30s", length=Lognormal("400ms")),
        Host(lull="0s", boot_time="300ms"),
    ),
    "a fixed size, started cold, crashes": (
        PoolConfig(
            sizing=StaticSizing(workers=5), max_sessions=2, crash=CrashConfig(burst=3, refill=3, max_delay=4), **QUICK
        ),
        OnOff(30, on="3s", off="3s", lasts="30s"),
        Host(lull="0s", warm=False, boot_failures=0.5, faults=(Crashed("5s", 2), Crashed("9s", 5))),
    ),
    "nobody until somebody comes": (
        PoolConfig(min_workers=0, max_workers=6, max_sessions=1, sizing=SpareSizing(hold=1), **QUICK),
        ClockBursts(20, every="6s", within="300ms", lasts="30s") + Poisson(1, lasts="30s"),
        Host(lull="0s", spawn_time="50ms", backlog=8),
    ),
    "everybody connects again": (
        PoolConfig(max_workers=10, max_sessions=10, sizing=SpareSizing(hold=4), recycle=RECYCLE, **QUICK),
        Reconnect(60, at="10s", lasts="25s", length=LongLived(0.5)),
        Host(lull="0s", spawn_time="1s"),
    ),
}


class Checked:
    """A policy that is decide(), with every invariant asked about every look."""

    def __init__(self, config: PoolConfig, seed: int) -> None:
        self.model = World(config, seed, EVERY)
        self.expected: PoolView | None = None
        self.looks = self.compared = 0

    def __call__(self, _config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        self._is_as_expected(view)
        model = self.model
        model.view, model.memory = view, memory
        model.next_id = WorkerId(max([model.next_id, *(worker.id + 1 for worker in view.workers)]))
        plan = model.look()
        self.expected = model.view
        self.looks += 1
        return plan

    def _is_as_expected(self, view: PoolView) -> None:
        """Who was told to drain or killed still is; who was born has the id that the model gave it."""
        if self.expected is None:
            return
        now = {worker.id: worker for worker in view.workers}
        for worker in self.expected.workers:
            if worker.id in now and worker.phase in (Phase.DRAINING, Phase.KILLED):
                self.compared += 1
                assert now[worker.id][:3] == worker[:3]
                assert now[worker.id].drain_by == worker.drain_by
        assert {one.id for one in view.workers} <= {one.id for one in self.expected.workers}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", RUNS)
def test_every_look_of_a_run_keeps_every_invariant(name: str, seed: int) -> None:
    config, traffic, host = RUNS[name]
    policy = Checked(config, seed)
    run = simulate(config, traffic, seed, host, policy)
    assert policy.looks == run.looks > 100
    assert run.arrivals == run.served + run.refused + run.lost + run.holding + run.waiting > 50


def test_the_runs_see_every_way_of_an_end() -> None:
    kinds = set()
    for config, traffic, host in RUNS.values():
        policy = Checked(config, seed=2)
        policy.model.checks = ()
        run = simulate(config, traffic, 2, host, policy)
        kinds |= {(each.decision.kind, str(each.decision.because.reason)) for each in run.decisions}
    assert kinds >= {
        ("spawn", "few_spares"),
        ("spawn", "static_size"),
        ("spawn", "probe"),
        ("spawn", "max_age"),
        ("spawn", "max_served"),
        ("retire", "surplus"),
        ("drain", "max_age"),
        ("drain", "max_served"),
        ("kill", "silent_blocked"),
        ("kill", "boot_timeout"),
    }
