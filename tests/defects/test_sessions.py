"""The seed's defects of accepting and serving. Numbered as in the seed's list."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.apps.lines import Echo
from tests.apps.seed import Counted, Printing
from tests.client import Client
from tests.live import looks, sessions, static

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.testing import LivePool
    from tests.live import Start


def test_03_the_session_cap_is_exact(prefork_pool: Start) -> None:
    """The seed: 5 workers with cap 1, 100 connections at once: up to 86 served, 41 on one worker."""
    live = prefork_pool(Counted, pool=static(5, max_sessions=1))
    poller = select.poll()
    with ExitStack() as stack:
        clients = {each.socket.fileno(): each for each in (stack.enter_context(Client(live)) for _ in range(100))}
        for fd in clients:
            poller.register(fd, select.POLLIN)
        said: list[str] = []
        while len(said) < 100:
            spoken = [fd for fd, _ in poller.poll(5000)]
            assert 1 <= len(spoken) <= 5
            assert max(worker.sessions for worker in live.view().workers) == 1
            for fd in spoken:
                poller.unregister(fd)
                said.append(clients[fd].hear() or "")
                clients[fd].say("bye")
    assert {text.split()[1] for text in said} == {"1"}, "a worker held two sessions"
    assert {int(text.split()[0]) for text in said} == set(live.worker_pids().values())


def test_12_a_client_cannot_forge_a_report(prefork_pool: Start) -> None:
    """The seed: reports travel on the child's stdout; a client whose input the app prints ended a worker."""
    live = prefork_pool(Printing, pool=static(2))
    before = live.view()
    with Client(live) as client:
        for owner in ("operator", "app"):
            for act in ("stop", "pause", "resume", "drain"):
                assert client.ask(f'["Request","{act}","{owner}"]') == "printed"
        for record in ('["Ready"]', '["Declined"]', '["Failed","x",""]', '["Born",1]', "exit", "expire 1", "SHUTDOWN"):
            assert client.ask(record) == "printed"
        after = live.view()
    assert live.log.count('["Request","drain","operator"]') == 1  # it was printed
    assert "asks to" not in live.log
    assert [(each.id, each.phase, each.paused_by, each.drain_wanted) for each in after.workers] == [
        (each.id, each.phase, each.paused_by, each.drain_wanted) for each in before.workers
    ]
    assert after.stop_at is None


@pytest.fixture
def traced() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The tracers that a test started; they let go when it ends."""
    tracers: list[subprocess.Popen[bytes]] = []
    yield tracers
    for tracer in tracers:
        tracer.kill()
        tracer.wait()


@pytest.mark.needs("strace")
def test_13_a_connection_costs_one_accept(
    prefork_pool: Start, traced: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """The seed: 8 workers, 200 connects: 1,527 accept calls, 1,327 of them EAGAIN."""
    live = prefork_pool(Echo, pool=static(8))
    summary = tmp_path / "summary"
    pids = [option for pid in live.worker_pids().values() for option in ("-p", str(pid))]
    tracer = subprocess.Popen(["strace", "-c", "-e", "trace=accept,accept4", "-o", summary, *pids])
    traced.append(tracer)
    wait_until_traced(live, tracer.pid)
    for _ in range(200):
        with Client(live) as client:
            assert client.ask("hello") == "hello"
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    calls, again = accepts(summary.read_text())
    assert calls - again == 200
    assert again <= 100


def accepts(summary: str) -> tuple[int, int]:
    """How many accept calls strace counted, and how many of them failed."""
    row = next(line.split() for line in summary.splitlines() if line.endswith("accept4"))
    return int(row[3]), int(row[4]) if len(row) == 6 else 0


def wait_until_traced(live: LivePool, tracer: int) -> None:
    """Every worker has this tracer."""
    for pid in live.worker_pids().values():
        for _ in looks(live, lambda _, pid=pid: f"TracerPid:\t{tracer}\n" in Path(f"/proc/{pid}/status").read_text()):  # type: ignore[misc]
            pass


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many descriptors as the system lets this process, and the pool that it starts, have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def one_processor() -> Iterator[None]:
    """This process, and the pools that it starts, run on the same processor."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def cpu_ns(pids: list[int]) -> int:
    """Processor time of these processes so far."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids)


def cost_of_an_echo(clients: list[Client], pids: list[int]) -> float:
    """Server CPU ns a request, each asked by itself: a cost of the loop's turn is not shared with others."""
    before = cpu_ns(pids)
    for _ in range(20):
        for client in clients:
            assert client.ask("hello") == "hello"
    return (cpu_ns(pids) - before) / (20 * len(clients))


@pytest.mark.usefixtures("many_files", "one_processor")
def test_18_idle_connections_cost_the_others_nothing(prefork_pool: Start) -> None:
    """The seed: with 10,000 idle connections echo falls from 33k to 1.6k requests/s, a twentieth.

    The rate that a server could keep is the inverse of its CPU time a request. It is compared with that of a pool
    without them, by turns and on one processor, since waking another one costs twice a request. The true figure is in
    bench/.
    """
    pools = [prefork_pool(Echo, pool=static(2)) for _ in range(2)]
    pids = [[*live.worker_pids().values()] for live in pools]
    with ExitStack() as stack:
        busy = [[stack.enter_context(Client(live)) for _ in range(64)] for live in pools]
        for _ in range(10_000):
            stack.enter_context(socket.create_connection(pools[1].address, timeout=10))
        pools[1].wait_for(lambda view: sessions(view) == 10_064, timeout=20)
        costs = [[cost_of_an_echo(*each) for each in zip(busy, pids, strict=True)] for _ in range(6)]
    unloaded, loaded = (min(each) for each in zip(*costs, strict=True))
    assert unloaded / loaded >= 0.5, costs
    assert len(os.listdir("/proc/self/fd")) < 1000  # all closed: the next test has room
