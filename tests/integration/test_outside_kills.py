"""A real pool whose workers are killed again and again from outside: somebody always comes back."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from prefork import PoolConfig, StaticSizing
from prefork.policy.model import Phase, PoolView
from tests.apps.lines import Echo
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]


def serving(view: PoolView) -> int:
    return sum(worker.phase is Phase.SERVING for worker in view.workers)


def test_however_often_they_are_killed_one_is_back_within_a_second_or_two_and_then_one_a_second(
    prefork_pool: Start,
) -> None:
    pool = prefork_pool(Echo, pool=PoolConfig(max_workers=4, sizing=StaticSizing(workers=4)))
    for _ in range(6):  # 24 kills: the bucket holds 20
        pool.wait_for(lambda view: serving(view) == 4, timeout=8)
        before = pool.worker_pids()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        pool.wait_for(lambda view, before=before: not {worker.id for worker in view.workers} & set(before))  # type: ignore[misc]
    pool.wait_for(lambda view: serving(view) >= 1, timeout=2)
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
    rows = pool.status()["withheld"]
    assert [(row["want"], row["reason"]) for row in rows] == [("spawn", "outside_tokens")]
    pool.wait_for(lambda view: serving(view) == 4, timeout=8)
