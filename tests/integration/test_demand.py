"""A real pool that follows its load: it grows for a burst, shrinks, consolidates, sleeps; and what it measures."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from prefork import DemandSizing, PoolConfig
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import Owner, PoolView
from tests.apps.lines import Echo, Misbehaving, Second
from tests.client import Client
from tests.live import serving, sessions, static

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]


def followed(**more: Any) -> PoolConfig:
    return PoolConfig(sizing=DemandSizing(hold=0.5), **more)


def decided(pool: LivePool) -> set[tuple[str, str]]:
    return {(row["kind"], row["reason"]) for row in pool.status()["decisions"]}


def paused(view: PoolView) -> int:
    return sum(worker.paused_by == {Owner.POLICY} for worker in view.workers)


def test_thirty_two_one_second_requests_on_two_workers_are_answered_together(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=followed(min_workers=2, max_workers=40, max_sessions=1))
    began = time.monotonic()
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(32)]
        assert [client.hear() for client in clients] == ["done"] * 32
    assert time.monotonic() - began < 3  # alone they would take 16 rounds; the figure itself is in bench/
    assert ("spawn", "demand") in decided(pool)


def test_a_pool_shrinks_to_its_min_and_loses_no_session(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=followed(min_workers=2, max_workers=8, max_sessions=1))
    with Client(pool) as first, Client(pool) as second:
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(pool)) for _ in range(5)]
            assert [client.ask("here") for client in clients] == ["here"] * 5
            pool.wait_for(lambda view: serving(view) >= 7)
        pool.wait_for(lambda view: len(view.workers) <= 3, timeout=30)
        assert (first.ask("still"), second.ask("here")) == ("still", "here")
    pool.wait_for(lambda view: len(view.workers) == 2, timeout=30)
    assert ("retire", "surplus") in decided(pool)
    assert ", with " not in pool.log  # nobody ended with sessions


def test_long_sessions_are_consolidated_by_pausing_and_resuming_workers(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=followed(min_workers=1, start_workers=3, max_workers=3, max_sessions=10))
    with ExitStack() as stack:
        long: dict[str | None, Client] = {}
        while len(long) < 3:
            client = Client(pool)
            if long.setdefault(client.ask("pid"), client) is client:
                stack.enter_context(client)
            else:
                client.close()
        for _ in range(40):
            with Client(pool) as short:
                short.ask("a moment")
        pool.wait_for(lambda view: paused(view) == 2, timeout=30)
        assert [client.ask("still here") for client in long.values()] == ["still here"] * 3
        more = [stack.enter_context(Client(pool)) for _ in range(15)]
        assert [client.ask("a place") for client in more] == ["a place"] * 15
        assert [client.ask("still here") for client in long.values()] == ["still here"] * 3
        assert {("pause", "surplus"), ("resume", "demand")} <= decided(pool)
    pool.wait_for(lambda view: len(view.workers) == 1, timeout=30)
    assert ", with " not in pool.log  # nobody ended with sessions


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("selectors", {}),
        ("asyncio", {"loop": "asyncio"}),
        ("asyncio", {"loop": "uvloop"}),
        ("threads", {"max_threads": 1}),
    ],
    ids=["selectors", "asyncio", "uvloop", "threads"],
)
def test_the_default_pool_has_another_worker_for_one_whose_callback_blocks(
    prefork_pool: Start, backend: str, options: dict[str, Any]
) -> None:
    """While it still blocks: a turn that runs counts. A thread that blocks takes a place, here the only one."""
    config = PoolConfig(min_workers=1, drain_timeout=0.2)
    pool = prefork_pool(Misbehaving, pool=config, backend=backend, backends={backend: options})
    with Client(pool) as client:
        client.say("block")
        pool.wait_for(lambda view: serving(view) == 2)
        assert ("spawn", "demand") in decided(pool)
        with Client(pool) as other:
            other.say("raise")
            assert other.hear() is None


@pytest.mark.parametrize("backend", ["selectors", "threads"])
def test_cpu_time_counts_wherever_it_is_spent(prefork_pool: Start, backend: str) -> None:
    pool = prefork_pool(Misbehaving, pool=PoolConfig(min_workers=1, drain_timeout=0.2), backend=backend)
    with Client(pool) as client:
        client.say("spin")
        pool.wait_for(lambda view: view.busy_ns >= 300_000_000, timeout=20)
        assert pool.status()["workers"][0]["busy_share"] > 0


def test_a_full_worker_of_threads_has_a_successor_before_anybody_waits_long(prefork_pool: Start) -> None:
    pool = prefork_pool(
        Echo, pool=PoolConfig(min_workers=1), backend="threads", backends={"threads": {"max_threads": 3}}
    )
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(12)]
        assert [client.ask("served") for client in clients] == ["served"] * 12
        assert serving(pool.view()) >= 4


def test_the_default_pool_at_rest_wakes_nobody(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo)
    assert decided(pool) == {("start_mold", "first_mold"), ("spawn", "start")}
    view = pool.view()
    plan = decide(PoolConfig(), view, Memory(started=True, ever_ready=True, generation=1))
    assert plan.next_check_at is not None
    assert plan.next_check_at > view.now + 25 * 10**9  # when somebody could be silent


def test_with_min_0_nobody_is_there_until_the_first_connection_and_again_after_hold(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, wait=False, pool=followed(min_workers=0, max_workers=4, max_sessions=1))
    assert pool.wait_for(lambda view: view.generation == 1, timeout=10).workers == ()
    began = time.monotonic()
    with Client(pool) as client:
        assert client.ask("anybody?") == "anybody?"
        assert time.monotonic() - began < 1
    pool.wait_for(lambda view: not view.workers, timeout=30)
    with Client(pool) as client:
        assert client.ask("and again?") == "and again?"


def test_the_queue_of_a_unix_listener_is_known(prefork_pool: Start, tmp_path: Path) -> None:
    pool = prefork_pool(Echo, listen=f"unix:{tmp_path}/echo", pool=static(1, max_sessions=1))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(4)]
        assert clients[0].ask("first") == "first"
        pool.wait_for(lambda view: view.queue == 3)
        assert pool.status()["listeners"][0]["queue"] == 3


def test_the_wait_to_be_accepted_is_measured(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=static(1, max_sessions=1))
    assert pool.status()["master"]["accept_wait_p99_ms"] is None
    with Client(pool) as first, Client(pool) as second:
        assert first.hear() == "done"
        pool.wait_for(lambda view: view.arrivals == 2)
        low, _ = pool.status()["master"]["accept_wait_p99_ms"]
        assert low >= 512
        assert second.hear() == "done"
    assert 0 <= pool.status()["workers"][0]["busy_share"] < 0.9


def test_the_totals_of_the_view_are_those_of_all_sessions_ever(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
        view = pool.wait_for(lambda view: sessions(view) == 1)
        assert (view.arrivals, view.completions) == (1, 0)
        later = pool.wait_for(lambda now: now.held_ns >= view.held_ns + 50_000_000)
        assert later.held_ns - view.held_ns <= later.now - view.now + 1_000_000
        assert view.spawn_ns is not None
        assert 0 < view.spawn_ns < 10**10
    over = pool.wait_for(lambda view: view.completions == 1)
    assert over.busy_ns > 0
    assert over.held_ns >= later.held_ns
