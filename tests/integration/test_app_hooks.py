"""What an app may say and is told in a real pool: admit, started, stopping, conn.worker, conn.server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from prefork import BootError, CrashConfig, PoolConfig, StaticSizing
from prefork.policy.model import Owner, Phase
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]

HOOKED = "tests.apps.hooks:hooked"


def static(workers: int) -> PoolConfig:
    return PoolConfig(sizing=StaticSizing(workers=workers))


def test_started_was_called_once_in_each_worker_before_its_first_session(prefork_pool: Start) -> None:
    pool = prefork_pool(HOOKED, pool=static(2), name="mail")
    expected = {f"mail {worker} {pid}" for worker, pid in pool.worker_pids().items()}
    with Client(pool) as one, Client(pool) as other:
        assert {one.ask("started"), other.ask("started")} <= expected


def test_started_that_fails_fails_the_boot_and_a_pool_without_a_worker_gives_up(prefork_pool: Start) -> None:
    with pytest.raises(BootError, match="ConnectionRefusedError: the database is down") as caught:
        prefork_pool("tests.apps.hooks:cannot_start", pool=PoolConfig(max_workers=2, crash=CrashConfig(burst=2)))
    assert "\n" not in str(caught.value)


def test_stopping_is_called_when_the_last_session_is_over(prefork_pool: Start) -> None:
    pool = prefork_pool(HOOKED, pool=static(2))
    assert pool.stop() == 0
    assert {f"worker {worker} holds 0 at the end" for worker in (1, 2)} <= {*pool.log.splitlines()}


def test_who_is_not_admitted_gets_no_session_and_is_counted(prefork_pool: Start) -> None:
    pool = prefork_pool(HOOKED, pool=static(1))
    with socket.create_connection(pool.address, timeout=5, source_address=("127.0.0.2", 0)) as refused:
        assert refused.recv(1) == b""
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
    (row,) = pool.status()["workers"]
    assert (row["refused"], row["served"]) == (1, 1)


def test_a_session_may_drain_its_worker_and_another_takes_the_place(prefork_pool: Start) -> None:
    pool = prefork_pool(HOOKED, pool=static(2))
    with Client(pool) as client:
        worker = int((client.ask("drain") or "").removeprefix("drain "))
        assert client.hear() is None
    pool.wait_for(lambda view: len(view.workers) == 2 and worker not in [each.id for each in view.workers])
    assert any(row["reason"] == "requested" and row["worker"] == worker for row in pool.status()["decisions"])


def test_a_session_may_pause_its_worker_and_only_the_app_resumes_that(prefork_pool: Start) -> None:
    pool = prefork_pool(HOOKED, pool=static(1))
    with Client(pool) as client:
        assert client.ask("pause") == "pause 1"
        pool.wait_for(lambda view: view.workers[0].paused_by == {Owner.APP})
        pool.ask("resume")
        assert pool.view().workers[0].paused_by == {Owner.APP}
        with Client(pool) as waiting:
            waiting.say("served later")
            assert client.ask("still serves") == "still serves"
            assert client.ask("resume") == "resume 1"
            assert waiting.hear() == "served later"


def test_a_session_may_stop_the_whole_pool(prefork_pool: Start) -> None:
    pool = prefork_pool(HOOKED, pool=static(2))
    with Client(pool) as client:
        client.say("stop")
        assert client.hear() is None
    assert pool.wait() == 0


def test_spares_that_the_app_pauses_are_made_up_for(prefork_pool: Start) -> None:
    pool = prefork_pool(HOOKED, pool=PoolConfig(min_workers=1, max_workers=4))
    with Client(pool) as client:
        client.ask("pause")
        view = pool.wait_for(lambda view: sum(each.phase is Phase.SERVING for each in view.workers) == 2)
        assert [each.paused_by for each in view.workers] == [{Owner.APP}, set()]
