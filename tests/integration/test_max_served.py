"""max_served on a real pool: a worker serves exactly its number, whatever the load, and nobody notices its end."""

from __future__ import annotations

import signal
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig, RecycleConfig, SpareSizing, StaticSizing
from prefork.policy.jitter import served_limit
from prefork.policy.limits import Limits
from prefork.policy.model import Phase, WorkerId
from tests.apps.lines import Echo, Second
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]

CLIENTS = 8
SESSIONS = 40
"""Of each client, one after the other."""


class Load:
    """Clients that connect, ask which process they are served by, and leave, over and over."""

    def __init__(self, pool: LivePool) -> None:
        self.pids: list[int] = []
        """Of the worker of each session."""
        self.waits: list[float] = []
        self.resent = 0
        """Segments that clients had to send again: a SYN that a closing listener or a full queue has dropped."""
        self.failures: list[object] = []
        self._pool = pool
        self._clients = [threading.Thread(target=self._come_and_go) for _ in range(CLIENTS)]
        for each in self._clients:
            each.start()

    def is_over(self) -> bool:
        return not any(each.is_alive() for each in self._clients)

    def _come_and_go(self) -> None:
        try:
            for _ in range(SESSIONS):
                began = time.monotonic()
                with Client(self._pool, timeout=10) as client:
                    pid = client.ask("pid")
                    self.waits.append(time.monotonic() - began)
                    self.resent += total_retrans(client.socket)
                    self.pids.append(int(pid or 0))
        except (OSError, ValueError) as error:
            self.failures.append(error)


def total_retrans(connection: socket.socket) -> int:
    """`tcpi_total_retrans` of Linux's struct tcp_info: 8 bytes, then its 24th number of 32 bits."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int(struct.unpack_from("@8x24I", info)[23])


@pytest.mark.parametrize("jitter", [0.1, 0.5])
@pytest.mark.parametrize("sizing", [StaticSizing(workers=3), SpareSizing(min_spare=2)], ids=["static", "spare"])
def test_no_worker_ever_serves_more_than_its_number_and_no_session_is_lost(
    prefork_pool: Start, sizing: StaticSizing | SpareSizing, jitter: float
) -> None:
    recycle = RecycleConfig(max_served=10, jitter=jitter)
    config = PoolConfig(min_workers=2, max_workers=8, max_sessions=2, sizing=sizing, recycle=recycle)
    pool = prefork_pool(Echo, pool=config)
    ids: dict[int, WorkerId] = {}
    load = Load(pool)
    while not load.is_over():
        ids |= {pid: WorkerId(name) for name, pid in pool.worker_pids().items()}
    assert load.failures == []
    served = Counter(load.pids)
    assert served.total() == CLIENTS * SESSIONS
    assert max(served.values()) <= 10

    limits, seed = Limits.of(config), pool.view().seed
    for pid, worker in ids.items():
        assert served[pid] <= served_limit(limits, seed, worker)
    rows = pool.status()["workers"]
    assert {row["pid"]: row["served"] for row in rows} == {row["pid"]: served[row["pid"]] for row in rows}
    assert pool.status()["master"]["accepted"] == CLIENTS * SESSIONS
    ended = {pid: worker for pid, worker in ids.items() if pid not in {row["pid"] for row in rows}}
    assert {pid: served[pid] for pid in ended} == {
        pid: served_limit(limits, seed, worker) for pid, worker in ended.items()
    }
    assert len(ended) > 10

    assert load.resent == 0
    waits = sorted(load.waits)
    assert waits[len(waits) * 98 // 100] < 0.9  # a wake-up that was lost would cost a second


def test_a_spent_worker_is_told_apart_and_keeps_its_session_until_its_successor_serves(prefork_pool: Start) -> None:
    recycle = RecycleConfig(max_served=1, jitter=0)
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=1, sizing=StaticSizing(workers=1), recycle=recycle))
    pool.signal(signal.SIGUSR1)
    pool.wait_for(lambda view: all(worker.paused_by for worker in view.workers))
    with Client(pool) as client, Client(pool) as second:
        client.say("pid")
        second.say("pid")
        pool.signal(signal.SIGUSR2)
        assert client.hear() != second.hear()
    pool.wait_for(lambda view: [worker.phase for worker in view.workers] == [Phase.SERVING])
    assert "spawn worker 2 for 1: max_served used=1 limit=1" in pool.log
    assert "drain worker 1: max_served used=1 limit=1" in pool.log


def test_status_says_that_a_worker_is_spent(prefork_pool: Start) -> None:
    recycle = RecycleConfig(max_served=1, jitter=0)
    pool = prefork_pool(Second, pool=PoolConfig(min_workers=1, sizing=StaticSizing(workers=1), recycle=recycle))
    with Client(pool) as client:
        pool.wait_for(lambda view: any(worker.spent for worker in view.workers))
        gates = {row["id"]: row["gate"] for row in pool.status()["workers"]}
        assert gates[1][0] == "spent" or gates[1] == ["draining", "spent"]
        assert client.hear() == "done"


def test_a_stop_answers_what_is_queued_behind_workers_that_are_spent(prefork_pool: Start) -> None:
    recycle = RecycleConfig(max_served=2, jitter=0)
    pool = prefork_pool(
        Second,
        pool=PoolConfig(min_workers=1, max_workers=1, max_sessions=4, sizing=StaticSizing(workers=1), recycle=recycle),
    )
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(12)]
        pool.signal(signal.SIGTERM)
        assert [client.hear() for client in clients] == ["done"] * 12
    assert pool.wait() == 0
