"""The seed's parameters that a session or an app reaches for: named after them, on a real pool."""

# ruff: noqa: N802 - the names are the seed's

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefork import CrashConfig
from prefork.policy.model import Owner
from tests.apps import obliging
from tests.certificates import Authority, TlsClient
from tests.client import Client
from tests.live import gone_after, serving, sessions, static, watch_ends

if TYPE_CHECKING:
    from prefork.testing import LivePool
    from tests.live import Start

APPS = obliging.__name__


def test_event_shutdown_is_worker_drain(prefork_pool: Start) -> None:
    pool = prefork_pool(obliging.Obliging, pool=static(1))
    ends = watch_ends(pool.worker_pids().values())
    with Client(pool) as client:
        assert client.ask("drain") == "drain"
        gone_after(ends, 3)
        assert client.hear() is None
    pool.wait_for(lambda view: [worker.id for worker in view.workers] == [2] and serving(view) == 1)
    assert "drain worker 1: requested owner=app" in pool.log


def test_events_pause_and_resume_are_worker_pause_and_resume(prefork_pool: Start) -> None:
    """They are also Concurrency, settable live: 0 is not yet."""
    pool = prefork_pool(obliging.Obliging, pool=static(1))
    with Client(pool) as inside:
        assert inside.ask("pause") == "pause"
        pool.wait_for(lambda _: pool.status()["workers"][0]["gate"] == ["paused"])
        assert pool.view().workers[0].paused_by == {Owner.APP}
        with Client(pool) as outside:
            outside.say("hello")
            pool.wait_for(lambda view: view.queue == 1)
            pool.ask("resume")  # the operator's, and the pause is the app's
            assert inside.ask("still here") == "still here"
            assert sessions(pool.view()) == 1
            assert inside.ask("resume") == "resume"
            assert outside.hear() == "hello"


def test_event_shutdown_of_all_is_server_stop(prefork_pool: Start) -> None:
    pool = prefork_pool(obliging.Obliging, pool=static(3))
    with Client(pool) as client:
        assert client.ask("stop") == "stop"
        assert pool.wait(5) == 0
        assert client.hear() is None


def test_ClientPreConnect_is_admit(prefork_pool: Start) -> None:
    pool = prefork_pool(f"{APPS}:admitting", listen=["tcp://127.0.0.1:0", "tcp://127.0.0.2:0"], pool=static(1))
    with Client(pool) as client:
        assert client.ask("hello") == "never"
    port = int(pool.urls[1].rpartition(":")[2])
    with socket.create_connection(("127.0.0.2", port), timeout=5) as refused, suppress(ConnectionResetError):
        assert refused.recv(100) == b""
    pool.wait_for(lambda _: pool.status()["workers"][0]["refused"] == 1)
    assert pool.status()["workers"][0]["served"] == 1


LOOPS: dict[str, dict[str, Any]] = {
    "selectors": {"backend": "selectors"},
    "asyncio": {"backend": "asyncio", "backends": {"asyncio": {"loop": "asyncio"}}},
    "uvloop": {"backend": "asyncio", "backends": {"asyncio": {"loop": "uvloop"}}},
    "threads": {"backend": "threads"},
    "trio": {"backend": "trio"},
    "gevent": {"backend": "gevent"},
}


@pytest.mark.parametrize("loop", LOOPS)
def test_ClientPreConnect_wraps_in_TLS_by_the_listener(prefork_pool: Start, tmp_path: Path, loop: str) -> None:
    authority = Authority(tmp_path)
    listen = [authority.listen(), authority.listen("tcp://127.0.0.2:0")]
    pool = prefork_pool(f"{APPS}:admitting", listen=listen, pool=static(1), **LOOPS[loop])
    with TlsClient(pool, authority.context()) as client:
        assert client.ask("hello") == "never"
    port = int(pool.urls[1].rpartition(":")[2])
    with socket.create_connection(("127.0.0.2", port), timeout=5) as refused:  # before any handshake
        assert refused.recv(100) == b""
    pool.wait_for(lambda _: pool.status()["workers"][0]["refused"] == 1)


def told(pool: LivePool, last: str) -> str:
    """What became of the other session's writing, once `last` did."""
    end = time.monotonic() + 5
    with Client(pool) as other:
        while not (words := other.ask("told") or "").endswith(last):
            assert time.monotonic() < end, words
    return words


def test_HighMark_LowMark_ClientHigh_and_ClientLow_are_write_limits(prefork_pool: Start) -> None:
    pool = prefork_pool(obliging.Flooding, pool=static(1))
    with Client(pool) as slow:
        slow.say("flood")
        assert told(pool, "pause_writing") == "pause_writing"
        assert [len(slow.hear() or "") for _ in range(8)] == [2**20 - 1] * 8
        assert told(pool, "resume_writing") == "pause_writing resume_writing"


def test_HighMark_has_a_hard_limit_beyond_which_a_session_ends(prefork_pool: Start) -> None:
    pool = prefork_pool(obliging.Drowning, pool=static(1))
    with Client(pool) as slow:
        slow.say("flood")
        assert told(pool, "WriteLimitError") == "pause_writing WriteLimitError"
    assert pool.log.count("over the hard limit (1048576)") == 1


def test_Started_and_Stopped_are_hooks_in_each_worker(prefork_pool: Start) -> None:
    pool = prefork_pool(f"{APPS}:hooked", pool=static(2))
    with Client(pool) as client:
        assert client.ask("hello") in ("begun in worker 1", "begun in worker 2")
    assert pool.stop() == 0
    assert {f"stopping worker {name}" for name in (1, 2)} <= set(pool.log.splitlines())


def test_Error_of_a_hook_fails_the_boot_and_is_told(prefork_pool: Start) -> None:
    pool = prefork_pool(f"{APPS}:failing", pool=static(1, crash=CrashConfig(burst=2)), wait=False)
    assert pool.wait() == 4
    assert "LookupError: no database" in pool.log


def test_InlineStates_that_block_are_offloaded(prefork_pool: Start) -> None:
    with Client(prefork_pool(f"{APPS}:hooked")) as client:
        assert client.ask("think") == "elsewhere"


def test_Alias_and_MasterAlias_are_in_the_names_of_the_processes(prefork_pool: Start) -> None:
    pool = prefork_pool(obliging.Obliging, name="mail", pool=static(1))
    pids = [pool.pid, pool.status()["mold"][0]["pid"], pool.worker_pids()[1]]
    comms = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids]
    assert comms == ["master mail", "mold 1 mail", "worker 1 mail"]
