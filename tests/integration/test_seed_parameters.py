"""Each parameter of the seed, in today's words, on a real pool. A test is named after the parameter that it shows."""

# ruff: noqa: N802 - the names are the seed's

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig, RecycleConfig, SpareSizing
from prefork.policy.model import Owner, Phase
from prefork.policy.units import NS
from tests.apps import parameters
from tests.apps.lines import Echo, Misbehaving
from tests.client import Client
from tests.live import gone_after, serving, sessions, static, watch_ends

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.testing import LivePool
    from tests.live import Start


# -- the seed's own ----------------------------------------------------------------------------------------------------


def test_MaxServer_is_max_workers(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=1, max_workers=2, max_sessions=1))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(Client(pool))
        view = pool.wait_for(lambda view: sessions(view) == 2 and view.queue == 2)
        assert len(view.workers) == 2


def test_StartServer_is_start_workers(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=2, start_workers=4))
    assert serving(pool.view()) == 4


def test_MinServer_is_min_workers(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=3))
    os.kill(pool.worker_pids()[1], signal.SIGKILL)
    pool.wait_for(lambda view: serving(view) == 3 and view.workers[0].id == 2)


def test_MinSpareServer_is_min_spare(prefork_pool: Start) -> None:
    pool = prefork_pool(
        Echo, pool=PoolConfig(min_workers=1, max_workers=9, max_sessions=1, sizing=SpareSizing(min_spare=3))
    )
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
        pool.wait_for(lambda view: sum(not worker.sessions for worker in view.workers) == 3)


def test_MaxSpareServer_is_max_spare(prefork_pool: Start) -> None:
    sizing = SpareSizing(min_spare=1, max_spare=2, hold=0.1)
    pool = prefork_pool(Echo, pool=PoolConfig(min_workers=1, max_workers=9, max_sessions=1, sizing=sizing))
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(Client(pool))
        pool.wait_for(lambda view: sessions(view) == 6)
    pool.wait_for(lambda view: len(view.workers) == 2)


def test_MasterHeartBeatTime_is_none_the_pool_is_driven_by_events(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(4))
    before = pool.status()["master"]["wakeups"]
    select.select([], [], [], 0.5)  # the fact under test is time itself
    assert pool.status()["master"]["wakeups"] - before <= 4  # those of the two questions


def test_ServerHeartBeatTime_is_heartbeat_interval(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1, heartbeat_interval="100ms"))
    beats: set[int] = set()
    while len(beats) < 5:
        last = max(beats, default=0)
        view = pool.wait_for(lambda view, last=last: (view.workers[0].heard_at or 0) > last)  # type: ignore[misc]
        beats.add(view.workers[0].heard_at or 0)
    assert all(later - earlier > NS // 20 for earlier, later in pairwise(sorted(beats)[1:]))


def test_MaxSessionPerServer_is_max_sessions(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1, max_sessions=2))
    with Client(pool) as first, Client(pool) as second, Client(pool) as third:
        third.say("hello")
        assert [first.ask("one"), second.ask("two")] == ["one", "two"]
        view = pool.wait_for(lambda view: view.queue == 1)
        assert sessions(view) == 2
        first.close()
        assert third.hear() == "hello"


def test_MaxServerExpireTime_is_heartbeat_timeout(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1, heartbeat_interval="50ms", heartbeat_timeout="300ms"))
    with Client(pool) as client:
        ends = watch_ends(pool.worker_pids().values())
        client.say("spin")
        gone_after(ends, 3)
    assert "kill worker 1 (dump): silent_" in pool.log


def test_GraceExpireTime_is_drain_timeout(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1, drain_timeout="300ms"))
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
        ends = watch_ends(pool.worker_pids().values())
        client.say("block")
        pool.ask("stop")
        gone_after(ends, 3)
    assert pool.wait() == 0


def test_MaxServerSpareTime_is_max_idle(prefork_pool: Start) -> None:
    sizing = SpareSizing(min_spare=1, max_spare=9)
    config = PoolConfig(min_workers=1, start_workers=3, sizing=sizing, recycle=RecycleConfig(max_idle=0.2))
    pool = prefork_pool(Echo, pool=config)
    pool.wait_for(lambda view: len(view.workers) == 1)
    retired = [row for row in pool.status()["decisions"] if row["kind"] == "retire"]
    assert {row["reason"] for row in retired} == {"max_idle"}
    assert all(row["figures"]["idle_ns"] >= 0.2 * NS for row in retired)


def test_MaxServerLifeTime_is_max_age(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1, recycle={"max_age": "200ms"}))
    ends = watch_ends(pool.worker_pids().values())
    gone_after(ends, 3)
    assert "drain worker 1: max_age" in pool.log


def test_MaxServerLifeTimes_is_max_served(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1, recycle={"max_served": 5, "jitter": 0}))
    ends = watch_ends(pool.worker_pids().values())
    pids = set()
    for _ in range(5):
        with Client(pool) as client:
            pids.add(client.ask("pid"))
    assert pids == {str(pid) for pid in ends}
    gone_after(ends, 3)  # without another session: the last one was enough
    assert "drain worker 1: max_served" in pool.log


def test_ShutdownChildren_is_always(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(3))
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
        ends = watch_ends(pool.worker_pids().values())
        pool.signal(signal.SIGKILL)
        gone_after(ends, 3)
        assert client.hear() is None


def test_Alias_and_MasterAlias_are_name(prefork_pool: Start) -> None:
    assert prefork_pool(Echo, name="mail").status()["master"]["name"] == "mail"


def test_USR1_USR2_and_INT_to_a_worker_pause_resume_and_shut_it_down(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1))
    pid = pool.worker_pids()[1]
    os.kill(pid, signal.SIGUSR1)
    pool.wait_for(lambda view: view.workers[0].paused_by == {Owner.OPERATOR})
    with Client(pool) as client:
        client.say("hello")
        os.kill(pid, signal.SIGUSR2)
        assert client.hear() == "hello"
    ends = watch_ends([pid])
    os.kill(pid, signal.SIGINT)
    gone_after(ends, 3)
    pool.wait_for(lambda view: [worker.id for worker in view.workers if worker.phase is Phase.SERVING] == [2])


# -- what it inherits --------------------------------------------------------------------------------------------------


def test_Port_is_the_urls_and_0_is_any(prefork_pool: Start) -> None:
    any_port = prefork_pool(Echo, listen="tcp://127.0.0.1:0").address[1]
    assert any_port > 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Client(prefork_pool(Echo, listen=f"tcp://127.0.0.1:{port}")) as client:
        assert client.socket.getpeername()[1] == port
        assert client.ask("hello") == "hello"


def test_Address_is_the_urls(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, listen="tcp://127.0.0.2:0")
    with Client(pool) as client:
        assert client.ask("hello") == "hello"
    with socket.socket() as elsewhere:
        assert elsewhere.connect_ex(("127.0.0.1", pool.address[1])) != 0


def test_Hostname_is_the_urls(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, listen="tcp://localhost:0")
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


@pytest.mark.parametrize(("url", "family"), [("tcp://[::1]:0", socket.AF_INET6), ("unix:", socket.AF_UNIX)])
def test_Domain_is_the_urls(prefork_pool: Start, tmp_path: Path, url: str, family: int) -> None:
    with Client(prefork_pool(Echo, listen=f"{url}{tmp_path}/socket" if url == "unix:" else url)) as client:
        assert client.socket.family == family
        assert client.ask("hello") == "hello"


def diary(pool: LivePool) -> list[str]:
    """The callbacks of the first session, once it is over."""
    end = time.monotonic() + 5
    with Client(pool) as reader:
        while not (written := reader.ask("diary") or ""):
            assert time.monotonic() < end
    return written.split()


def test_ClientConnected_ClientInput_ClientFlushed_and_ClientDisconnected_are_methods(prefork_pool: Start) -> None:
    pool = prefork_pool(parameters.Diary, pool=static(1))
    with Client(pool) as client:
        assert client.ask("one") == "written"
        assert client.ask("two") == "written"
    said = ["opened", "received:one", "flushed", "received:two", "flushed", "closed:NoneType"]
    assert diary(pool) == said


def test_ClientError_is_what_closed_gets(prefork_pool: Start) -> None:
    pool = prefork_pool(parameters.Diary, pool=static(1))
    with Client(pool) as client:
        assert client.ask("one") == "written"
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert diary(pool)[-1] == "closed:ConnectionResetError"


def test_ClientShutdownOnError_is_always(prefork_pool: Start) -> None:
    pool = prefork_pool(parameters.Diary, pool=static(1))
    with Client(pool) as client:
        client.say("raise")
        assert client.hear() is None
    assert diary(pool)[-1] == "closed:LookupError"


def test_ClientFilter_is_a_framer(prefork_pool: Start) -> None:
    with Client(prefork_pool(Echo)) as lines:
        lines.socket.sendall(b"one\r\ntwo\nthr")
        assert [lines.hear(), lines.hear()] == ["one", "two"]
        lines.socket.sendall(b"ee\n")
        assert lines.hear() == "three"
    with Client(prefork_pool(parameters.Bytes)) as stream:
        stream.socket.sendall(b"\x00\xff\n\n")
        assert stream.hear() == "4"


def test_ClientInputFilter_and_ClientOutputFilter_are_the_two_sides_of_one_framer(prefork_pool: Start) -> None:
    with Client(prefork_pool(f"{parameters.__name__}:shouting")) as client:
        assert client.ask("hello") == "HELLO!"


@pytest.mark.parametrize(("name", "said"), [("greeting", "hello you"), ("by_function", "please: you")])
def test_ClientArgs_ListenerArgs_SessionParams_and_SessionType_are_a_factory(
    prefork_pool: Start, name: str, said: str
) -> None:
    with Client(prefork_pool(f"{parameters.__name__}:{name}")) as client:
        assert client.ask("you") == said


def test_Concurrency_of_0_is_a_pause_and_any_other_is_max_sessions(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1, max_sessions=1))
    pool.ask("pause")
    pool.wait_for(lambda _: pool.status()["workers"][0]["gate"] == ["paused"])
    with Client(pool) as first, Client(pool) as second:
        first.say("one")
        second.say("two")
        pool.wait_for(lambda view: view.queue == 2)
        pool.ask("resume")
        assert first.hear() == "one"
        assert sessions(pool.view()) == 1
        first.close()
        assert second.hear() == "two"


ACCEPTOR = """
import select, time
from prefork.backends.contract import CONTRACT, hookimpl

class Acceptor:
    name, contract, styles, options = "acceptor", CONTRACT, {"session": "native"}, None

    def run(self, tether, listeners, app, options, /):
        poll, (listener,), gate = select.poll(), listeners, tether.gate
        listener.setblocking(False)
        for each in (tether.channel, tether.wakeup_fd, listener):
            poll.register(each, select.POLLIN)
        tether.ready()
        while not gate.done:
            poll.poll(max(0, tether.next_at - time.monotonic_ns()) / 1e6)
            now = time.monotonic_ns()
            tether.turn_began(now)
            tether.heard(now)
            if gate.open:
                self.accept(tether, listener)
            if tether.next_at <= now:
                tether.tick(now)
            tether.turn_ended(time.monotonic_ns())

    def accept(self, tether, listener):
        try:
            connection, _ = listener.accept()
        except OSError:
            tether.queue_empty()
            return
        tether.session_opened()
        with connection:
            connection.sendall(b"accepted by hand\\n")
        tether.session_closed()

@hookimpl
def prefork_backends():
    return [Acceptor()]
"""


def test_Acceptor_is_a_backend_plugin(prefork_pool: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acceptor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acceptor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[prefork.backends]\nacceptor = seed_acceptor\n")
    (tmp_path / "seed_acceptor.py").write_text(ACCEPTOR)
    monkeypatch.syspath_prepend(tmp_path)
    pool = prefork_pool(Echo, backend="acceptor", pool=static(1))
    for _ in range(3):
        with Client(pool) as client:
            assert client.hear() == "accepted by hand"
    assert pool.status()["workers"][0]["served"] == 3  # the seed's bypasses the accounting


def test_InlineStates_ObjectStates_and_PackageStates_are_methods(prefork_pool: Start) -> None:
    with Client(prefork_pool(parameters.Stateful)) as client:
        assert client.ask("second") == "second, with an argument"
        assert client.hear() == "first, with another"
