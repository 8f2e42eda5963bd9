"""The seed's defect 15, numbered as in the seed's list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig, RecycleConfig, SpareSizing
from prefork.policy.engine import decide
from tests.apps.seed import Brief
from tests.hammer import Hammer
from tests.live import looks, static
from tests.unit.policy.pools import STARTED, pool, said, serving

if TYPE_CHECKING:
    from tests.live import Start


@pytest.mark.parametrize(("jitter", "least"), [(0, 10), (0.3, 7)])
def test_15_a_worker_serves_exactly_max_served_sessions(prefork_pool: Start, jitter: float, least: int) -> None:
    """The seed: MaxServerLifeTimes=10: workers served 1,356 to 2,642 connections."""
    recycle = {"max_served": 10, "jitter": jitter, "max_unavailable": 0.5}
    live = prefork_pool(Brief, pool=static(4, recycle=recycle))
    with Hammer(live, clients=8) as hammer:
        for view in looks(live, lambda _: hammer.served >= 250, timeout=20):
            assert max(worker.accepted for worker in view.workers) <= 10
    hammer.check(at_least=250)
    here = set(live.worker_pids().values())
    served = [count for pid, count in hammer.by_pid.items() if pid not in here]
    assert len(served) >= 15
    assert least <= min(served) <= max(served) <= 10
    assert (len(set(served)) > 1) is (jitter > 0)


@pytest.mark.parametrize(("accepted", "expected"), [(9, []), (10, ["spawn for 1 max_served"])])
def test_15_a_worker_is_replaced_at_its_last_session(accepted: int, expected: list[str]) -> None:
    """The seed: it was looked at with a tick, and told to go once it happened to be idle."""
    recycle = RecycleConfig(max_served=10, jitter=0)
    config = PoolConfig(min_workers=1, max_workers=9, sizing=SpareSizing(min_spare=1, max_spare=9), recycle=recycle)
    view = pool(serving(1, accepted=accepted), serving(2))
    assert said(decide(config, view, STARTED)) == expected
