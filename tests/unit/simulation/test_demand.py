"""Demand sizing in the simulator: its view has the totals that the formula reads."""

from __future__ import annotations

from prefork.policy.config import PoolConfig
from prefork.simulation import Exponential, Poisson, Run, simulate

STEADY = Poisson(rate=50, lasts="300s", length=Exponential("200ms"))
"""Ten sessions at a time."""


def run(kind: str) -> Run:
    config = {"min_workers": 1, "max_workers": 60, "max_sessions": 1, "sizing": {"kind": kind}}
    return simulate(PoolConfig.model_validate(config), STEADY, seed=1)


def test_demand_has_as_many_workers_as_the_load_asks_for() -> None:
    found = run("demand")
    assert 11 < found.mean_workers < 25
    assert found.share_waiting_over("50ms") < 0.05
    assert found.refused == 0
