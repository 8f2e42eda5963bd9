"""A real pool: it grows, shrinks, refills, reloads, pauses and stops. Real forks, sockets and signals."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork import CrashConfig, PoolConfig, SpareSizing, StaticSizing
from prefork.policy.model import MoldPhase, Owner, Phase, PoolView
from tests.apps.lines import Echo, Misbehaving, Second
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]


def serving(view: PoolView) -> int:
    return sum(worker.phase is Phase.SERVING for worker in view.workers)


def static(workers: int, **more: object) -> PoolConfig:
    return PoolConfig.model_validate({"sizing": {"kind": "static", "workers": workers}, **more})


def gone(pid: int) -> int:
    """A pidfd: readable when the process has ended."""
    return os.pidfd_open(pid)


def all_gone_within(pidfds: list[int], seconds: float) -> bool:
    poller = select.poll()
    for fd in pidfds:
        poller.register(fd, select.POLLIN)
    until = time.monotonic() + seconds
    left = set(pidfds)
    while left and time.monotonic() < until:
        for fd, _ in poller.poll(max(0.0, until - time.monotonic()) * 1000):
            poller.unregister(fd)
            left.discard(fd)
    for fd in pidfds:
        os.close(fd)
    return not left


def test_a_session_is_served(prefork_pool: Start) -> None:
    with Client(prefork_pool(Echo)) as client:
        assert client.ask("hello") == "hello"


@pytest.mark.parametrize("listen", ["tcp://127.0.0.1:0", "tcp://[::1]:0", "unix"])
def test_a_session_is_served_on_every_kind_of_listener(prefork_pool: Start, listen: str, tmp_path: object) -> None:
    url = f"unix:{tmp_path}/echo.sock" if listen == "unix" else listen
    with Client(prefork_pool(Echo, listen=url)) as client:
        assert client.ask("hello") == "hello"


def test_a_pool_without_spares_grows_for_a_unix_listener_too(prefork_pool: Start, tmp_path: object) -> None:
    pool = prefork_pool(Echo, listen=f"unix:{tmp_path}/echo.sock", pool=PoolConfig(min_workers=0), wait=False)
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


def test_a_pool_of_nobody_serves_the_first_connection(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=0), wait=False)
    pool.wait_for(lambda view: view.generation == 1)
    assert pool.view().workers == ()
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


def test_a_pool_grows_with_its_load_and_shrinks_after_it(prefork_pool: Start) -> None:
    sizing = SpareSizing(min_spare=2, max_spare=3, hold=0.2)
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=2, max_workers=12, max_sessions=1, sizing=sizing))
    with ExitStack() as clients:
        for _ in range(6):
            clients.enter_context(Client(pool)).ask("hello")
        pool.wait_for(lambda view: serving(view) >= 8)
    pool.wait_for(lambda view: len(view.workers) == 3)
    reasons = {(row["kind"], row["reason"]) for row in pool.status()["decisions"]}
    assert {("spawn", "start"), ("spawn", "few_spares"), ("retire", "surplus")} <= reasons


def test_a_hundred_connections_at_once_on_five_workers_with_cap_1_are_five_sessions_one_each(
    prefork_pool: Start,
) -> None:
    pool = prefork_pool(Echo, pool=static(5, max_sessions=1))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(100)]
        for client in clients:
            client.say("pid")
        pool.wait_for(lambda view: sum(worker.sessions for worker in view.workers) == 5)
        view = pool.view()
        assert [worker.sessions for worker in view.workers] == [1] * 5
        assert view.queue == 95
        answered, _, _ = select.select([client.socket for client in clients], [], [], 0)
        assert len(answered) <= 5


def test_thirty_two_one_second_requests_on_two_spare_workers_are_answered_together(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=PoolConfig(min_workers=2, max_workers=40, max_sessions=1))
    began = time.monotonic()
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(32)]
        assert [client.hear() for client in clients] == ["done"] * 32
    assert time.monotonic() - began < 2.5  # two rounds would be 2 s and more; the figure itself is in bench/


@pytest.mark.parametrize("times", [1, 3])
def test_when_all_workers_are_killed_they_are_back_within_half_a_second(prefork_pool: Start, times: int) -> None:
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=4))
    for _ in range(times):
        before = pool.worker_pids()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        pool.wait_for(
            lambda view, before=before: serving(view) == 4 and not {worker.id for worker in view.workers} & set(before),  # type: ignore[misc]
            timeout=0.5,
        )
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


def test_only_the_killed_workers_sessions_are_lost(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(3, max_sessions=1))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(3)]
        pids = [int(client.ask("pid") or 0) for client in clients]
        os.kill(pids[0], signal.SIGKILL)
        assert clients[0].hear() is None
        assert [client.ask("still here") for client in clients[1:]] == ["still here"] * 2


def test_a_segfault_is_told_with_its_stack(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1))
    with Client(pool) as client:
        client.say("segv")
        assert client.hear() is None
    pool.wait_for(lambda view: serving(view) == 1 and view.workers[0].id == 2)
    assert "ended: SIGSEGV, not ordered" in pool.log
    assert "string_at" in pool.log


@pytest.mark.parametrize(("how", "reason"), [("spin", "silent_spinning"), ("block", "silent_blocked")])
def test_a_stuck_worker_is_dumped_and_killed_and_its_place_is_taken(prefork_pool: Start, how: str, reason: str) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1, heartbeat_interval="100ms", heartbeat_timeout="500ms"))
    with Client(pool) as client:
        client.say(how)
        pool.wait_for(lambda view: serving(view) == 1 and view.workers[0].id == 2)
        assert client.hear() is None
    assert f"kill worker 1 (dump): {reason}" in pool.log
    assert "in received" in pool.log


def test_a_stopped_worker_is_killed(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1, heartbeat_interval="100ms", heartbeat_timeout="500ms"))
    os.kill(pool.worker_pids()[1], signal.SIGSTOP)
    pool.wait_for(lambda view: serving(view) == 1 and view.workers[0].id == 2)
    assert "kill worker 1 (kill)" in pool.log


def test_a_frozen_master_kills_nobody_when_it_wakes(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(3, heartbeat_interval="100ms", heartbeat_timeout="500ms"))
    before = pool.worker_pids()
    pool.signal(signal.SIGSTOP)
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    select.select([], [], [], 1.8)  # three timeouts of a frozen host: the fact under test is time itself
    pool.signal(signal.SIGCONT)
    for pid in before.values():
        os.kill(pid, signal.SIGCONT)
    pool.wait_for(lambda view: all((worker.heard_at or 0) > view.now - 400_000_000 for worker in view.workers))
    assert pool.worker_pids() == before


def test_when_the_master_is_killed_idle_workers_are_gone_at_once_and_the_port_is_free(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(4))
    mold = pool.status()["mold"][0]["pid"]
    processes = [gone(pid) for pid in (*pool.worker_pids().values(), mold)]
    pool.signal(signal.SIGKILL)
    pool.wait()
    assert all_gone_within(processes, 1.0)
    with socket.socket() as again:
        again.bind(pool.address)
        again.listen()


def test_when_the_master_is_killed_a_session_is_finished_and_nobody_accepts(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=static(2, max_sessions=1))
    with Client(pool) as client:
        pool.wait_for(lambda view: sum(worker.sessions for worker in view.workers) == 1)
        workers = [gone(pid) for pid in pool.worker_pids().values()]
        pool.signal(signal.SIGKILL)
        pool.wait()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            with socket.socket() as late:
                if late.connect_ex(pool.address) != 0:
                    break
        else:
            raise AssertionError("the port still takes connections")
        assert client.hear() == "done"
    assert all_gone_within(workers, 2.0)


def test_a_stop_answers_what_was_accepted_and_refuses_the_rest(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=static(2))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(40)]
        pool.signal(signal.SIGTERM)
        assert [client.hear() for client in clients] == ["done"] * 40
    assert pool.wait() == 0


def test_a_stop_takes_what_is_queued_behind_the_cap(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=static(2, max_sessions=1))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(6)]
        pool.wait_for(lambda view: view.queue == 4)
        pool.signal(signal.SIGTERM)
        assert [client.hear() for client in clients] == ["done"] * 6
    assert pool.wait() == 0


def test_a_stop_with_an_idle_client_ends_at_once(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo)
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
        pool.signal(signal.SIGINT)
        assert pool.wait(2) == 0
        assert client.hear() is None


def test_a_second_term_stops_at_once(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=static(1))
    with Client(pool):
        pool.wait_for(lambda view: view.workers[0].sessions == 1)
        pool.signal(signal.SIGTERM)
        pool.wait_for(lambda view: view.stop_at is not None)
        pool.signal(signal.SIGTERM)
        assert pool.wait(0.8) == 0


def test_quit_stops_at_once(prefork_pool: Start) -> None:
    pool = prefork_pool(Second, pool=static(1))
    with Client(pool):
        pool.wait_for(lambda view: view.workers[0].sessions == 1)
        pool.signal(signal.SIGQUIT)
        assert pool.wait(0.8) == 0


def test_a_drain_that_overstays_is_killed_at_the_deadline(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1, drain_timeout="300ms"))
    with Client(pool) as client:
        client.say("block")
        pool.wait_for(lambda view: view.workers[0].sessions == 1)
        pool.signal(signal.SIGTERM)
        assert pool.wait(3) == 0


@pytest.mark.parametrize(
    ("backend", "app"),
    [("selectors", "coroutine"), ("asyncio", "coroutine"), ("threads", "coroutine"), ("asyncio", "awaiting")],
)
def test_at_a_stops_deadline_what_still_works_is_cancelled_and_cleans_up(
    prefork_pool: Start, backend: str, app: str
) -> None:
    pool = prefork_pool(f"tests.apps.overstays:{app}", pool=static(1, drain_timeout="100ms"), backend=backend)
    with Client(pool) as client:
        assert client.hear() == "begun"
        pool.signal(signal.SIGTERM)
        assert pool.wait(3) == 0
    assert "the coroutine cleaned up" in pool.log.splitlines()


def test_at_a_stops_deadline_a_lifespan_is_shut_down(prefork_pool: Start) -> None:
    pool = prefork_pool("tests.apps.overstays:asgi", pool=static(1, drain_timeout="100ms"), backend="asyncio")
    with Client(pool) as client:
        client.say("GET / HTTP/1.1\r\nHost: here\r\n\r")
        while client.hear() != "begun":
            pass
        pool.signal(signal.SIGTERM)
        assert pool.wait(3) == 0
    assert {"the request cleaned up", "lifespan shutdown"} <= {*pool.log.splitlines()}


def test_hup_brings_a_new_generation_without_losing_a_session(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(3))
    with Client(pool) as client:
        assert client.ask("before") == "before"
        pool.signal(signal.SIGHUP)
        pool.wait_for(lambda view: view.generation == 2)
        pool.wait_for(lambda view: sum(worker.generation == 2 for worker in view.workers) == 3)
        pool.wait_for(lambda view: [mold.generation for mold in view.molds] == [2])
        pool.wait_for(lambda view: len(view.workers) == 3)
        with Client(pool) as late:
            assert late.ask("after") == "after"


def test_user_code_cannot_forge_a_report_by_printing(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1))
    with Client(pool) as client:
        assert client.ask("forge") == "printed"
        assert client.ask("hello") == "hello"
    assert pool.view().stop_at is None


def test_one_sessions_exception_touches_nobody_else(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1))
    with Client(pool) as good, Client(pool) as bad:
        assert good.ask("hello") == "hello"
        bad.say("raise")
        assert bad.hear() is None
        assert good.ask("hello") == "hello"
    assert pool.log.count("ValueError: as told") == 2  # the line, and the traceback's last one below it


def test_a_worker_whose_code_exits_is_replaced(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1))
    with Client(pool) as client:
        client.say("exit")
        assert client.hear() is None
    pool.wait_for(lambda view: serving(view) == 1 and view.workers[0].id == 2)
    assert "worker 1 ended: exit code 3, not ordered" in pool.log


def test_usr1_pauses_the_pool_and_its_newcomers_and_usr2_resumes_them(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    pool.signal(signal.SIGUSR1)
    pool.wait_for(lambda view: all(Owner.OPERATOR in worker.paused_by for worker in view.workers))
    os.kill(pool.worker_pids()[1], signal.SIGKILL)
    pool.wait_for(lambda view: serving(view) == 2 and view.workers[-1].id == 3)
    with Client(pool) as client:
        client.say("hello")
        assert all(Owner.OPERATOR in worker.paused_by and not worker.sessions for worker in pool.view().workers)
        pool.signal(signal.SIGUSR2)
        assert client.hear() == "hello"


def test_usr1_and_usr2_on_a_worker_pause_and_resume_it_alone(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    pid = pool.worker_pids()[1]
    os.kill(pid, signal.SIGUSR1)
    pool.wait_for(lambda view: [worker.paused_by for worker in view.workers] == [{Owner.OPERATOR}, set()])
    os.kill(pid, signal.SIGUSR2)
    pool.wait_for(lambda view: not any(worker.paused_by for worker in view.workers))


def test_ttin_and_ttou_are_one_worker_more_and_less(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=1, max_workers=4, sizing=StaticSizing(workers=2)))
    pool.signal(signal.SIGTTIN)
    pool.wait_for(lambda view: serving(view) == 3)
    pool.signal(signal.SIGTTOU)
    pool.wait_for(lambda view: view.scale == 2 and len(view.workers) == 2)


def test_a_worker_that_dies_while_it_boots_is_tried_until_the_tokens_are_spent_then_the_pool_gives_up(
    prefork_pool: Start,
) -> None:
    from tests.apps import dies_at_boot  # noqa: PLC0415 - it looks at the process that imports it

    pool = prefork_pool(dies_at_boot.Dies, pool=static(2, crash=CrashConfig(burst=5)), wait=False)
    assert pool.wait() == 4
    assert pool.log.count(" spawn worker ") <= 7
    assert "gave up: never_ready" in pool.log


def test_a_mold_that_is_killed_is_started_again(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    pid = pool.status()["mold"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    pool.wait_for(lambda view: [mold.phase for mold in view.molds] == [MoldPhase.READY])
    os.kill(pool.worker_pids()[1], signal.SIGKILL)
    pool.wait_for(lambda view: serving(view) == 2)
    assert pool.view().generation == 1


def test_a_timeout_of_months_is_a_timeout(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1, heartbeat_interval="50d", heartbeat_timeout="60d", import_timeout="30d"))
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


def test_a_worker_hands_no_descriptor_to_what_it_starts(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1))
    pids = [*pool.worker_pids().values(), pool.status()["mold"][0]["pid"]]
    for pid in pids:
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            if int(name) > 2:
                flags = Path(f"/proc/{pid}/fdinfo/{name}").read_text().split("flags:")[1].split()[0]
                assert int(flags, 8) & os.O_CLOEXEC, f"{name} -> {os.readlink(f'/proc/{pid}/fd/{name}')}"


def test_spares_are_made_up_without_anybody_asking(prefork_pool: Start) -> None:
    config = PoolConfig(min_workers=2, max_workers=6, max_sessions=1, sizing=SpareSizing())
    pool = prefork_pool(Echo, pool=config)
    before = pool.log.count(" spawn worker ")
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
        until = time.monotonic() + 3
        while pool.log.count(" spawn worker ") == before:  # the log, since a question would wake the master
            assert time.monotonic() < until, "the master sleeps"
            select.select([], [], [], 0.01)


@pytest.mark.parametrize(("limit", "reason"), [("hard_rss", "hard_rss"), ("max_rss", "max_rss")])
def test_memory_over_a_limit_is_noticed_a_second_after_the_beat_that_measures_it(
    prefork_pool: Start, limit: str, reason: str
) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1, heartbeat_interval="500ms", recycle={limit: "200MiB", "jitter": 0}))
    with Client(pool) as client:
        assert client.ask("eat") == "eaten"
        began = time.monotonic()
        while f" {reason} " not in pool.log:  # the log, since a question would wake the master
            assert time.monotonic() < began + 3, "the master sleeps"  # a beat, a second, and this machine's delays
            select.select([], [], [], 0.01)


def test_a_loop_that_holds_fewer_sessions_than_max_sessions_keeps_nobody_waiting(prefork_pool: Start) -> None:
    config = PoolConfig(min_workers=2, max_workers=10, max_sessions=20)
    pool = prefork_pool(Echo, pool=config, backend="threads", backends={"threads": {"max_threads": 2}})
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(14)]
        assert [client.ask("served") for client in clients] == ["served"] * 14
