"""The clauses of the kernel seam, run over the real one and over the fake one."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import pytest

from prefork import log, wire
from prefork.address import TcpAddress
from prefork.errors import ConfigError
from prefork.layers import Sources, load
from prefork.master.facts import (
    ConfigRead,
    Fact,
    Judged,
    ListenerReadable,
    MoldExited,
    MoldSaid,
    StrangerReaped,
    WorkerExited,
    WorkerSaid,
    WorkerUnborn,
)
from prefork.master.family import Family, children
from prefork.master.linux_kernel import LinuxKernel
from prefork.master.listeners import Listener
from prefork.master.totals import Totals, totals_at
from prefork.mold import linux
from prefork.mold.settings import MoldSettings
from prefork.policy.model import WorkerId
from prefork.testing.fake_kernel import FOREVER, FakeKernel
from tests.apps import lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.master.kernel import Kernel

SECOND = 1_000_000_000
ONE = WorkerId(1)


class World(Protocol):
    """A kernel, and clients for it."""

    kernel: Kernel

    def connect(self) -> None: ...
    def hang_up_all(self) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.kernel: Kernel = FakeKernel()
        self.kernel.listen()
        self._numbers: list[int] = []

    @property
    def _fake(self) -> FakeKernel:
        assert isinstance(self.kernel, FakeKernel)
        return self.kernel

    def connect(self) -> None:
        self._numbers.append(self._fake.connect())

    def hang_up_all(self) -> None:
        for number in self._numbers:
            self._fake.hang_up(number)


class RealWorld:
    def __init__(self, kernel: Kernel, address: Any) -> None:
        self.kernel = kernel
        self._address = address
        self.clients: list[socket.socket] = []

    def connect(self) -> None:
        client = socket.create_connection(self._address, timeout=5)
        client.sendall(b"hello\n")
        self.clients.append(client)

    def hang_up_all(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    with real_world() as world:
        yield world


@contextmanager
def real_world() -> Iterator[RealWorld]:
    sink = log.open_sink()
    listener = Listener(TcpAddress("127.0.0.1", 0), 64)
    before = linux.become_subreaper()
    kernel = LinuxKernel([listener], sink, Family(alone=False))
    kernel.listen()
    real = RealWorld(kernel, listener.socket.getsockname())
    try:
        yield real
    finally:
        real.hang_up_all()
        kernel.close()
        listener.close()
        sink.close()
        linux.become_subreaper(before)


def settings(**changed: Any) -> dict[str, Any]:
    told = MoldSettings(
        app=f"{lines.__name__}:Echo",
        backend="selectors",
        options={},
        sys_path=sys.path,
        app_path=None,
        listeners=["tcp://127.0.0.1:0"],
        tls=[None],
        name="test",
        master=os.getpid(),
        max_sessions=0,
        heartbeat_interval_ns=SECOND,
        heartbeat_timeout_ns=10 * SECOND,
        drain_timeout_ns=10 * SECOND,
        boot_timeout_ns=10 * SECOND,
        open_files=1024,
    )
    return told._replace(**changed)._asdict()


_not_asked_for_yet: WeakKeyDictionary[Kernel, list[Fact]] = WeakKeyDictionary()
"""Facts that came in one batch with the one that was waited for."""


def until(kernel: Kernel, wanted: type[Fact] | Fact, seen: list[Fact] | None = None) -> Fact:
    """The first fact of a kind, or this very one; everything on the way goes to `seen`."""
    deadline = kernel.now() + 10 * SECOND
    kept = seen if seen is not None else []
    waiting = _not_asked_for_yet.setdefault(kernel, [])
    while kernel.now() < deadline:
        waiting = waiting or kernel.wait(deadline)
        while waiting:
            fact = waiting.pop(0)
            kept.append(fact)
            if fact == wanted or (isinstance(wanted, type) and isinstance(fact, wanted)):
                _not_asked_for_yet[kernel] = waiting
                return fact
    raise AssertionError(f"no {wanted} within 10 s; seen: {kept}")


def with_mold(world: World, **changed: Any) -> Kernel:
    world.kernel.start_mold(1, settings(**changed))
    said = until(world.kernel, MoldSaid)
    assert isinstance(said, MoldSaid)
    assert isinstance(said.record, wire.MoldReady)
    return world.kernel


def with_worker(world: World, at_birth: dict[int, int] | None = None, **changed: Any) -> Kernel:
    kernel = with_mold(world, **changed)
    kernel.fork(ONE, 1, at_birth or {})
    until(kernel, WorkerSaid(ONE, wire.Ready()))
    return kernel


def words(kernel: Kernel) -> list[int]:
    found = kernel.words(ONE)
    assert found is not None
    return found


def wait_words(kernel: Kernel, word: int, value: int) -> None:
    """Turn the world until the worker's word has this value."""
    deadline = kernel.now() + 10 * SECOND
    while words(kernel)[word] != value:
        assert kernel.now() < deadline, f"word {word} is {words(kernel)[word]}, not {value}"
        kernel.wait(kernel.now() + SECOND // 1000)


def test_a_started_mold_becomes_ready_and_has_a_pid(world: World) -> None:
    kernel = with_mold(world)
    assert kernel.mold_pid(1) is not None


def test_a_mold_that_cannot_import_the_app_says_why_and_ends(world: World) -> None:
    if isinstance(world.kernel, FakeKernel):
        world.kernel.broken_app = "app 'nowhere:App': no module"
    world.kernel.start_mold(1, settings(app="nowhere:App"))
    said = until(world.kernel, MoldSaid)
    assert isinstance(said, MoldSaid)
    assert isinstance(said.record, wire.MoldFailed)
    assert "nowhere:App" in said.record.text
    assert until(world.kernel, MoldExited) == MoldExited(1, "exit code 0")


def test_a_mold_whose_channel_is_closed_ends_in_order(world: World) -> None:
    kernel = with_mold(world)
    kernel.end_mold(1, force=False)
    assert until(kernel, MoldExited) == MoldExited(1, "exit code 0")
    assert kernel.mold_pid(1) is None


def test_a_mold_is_ended_by_force(world: World) -> None:
    kernel = with_mold(world)
    kernel.end_mold(1, force=True)
    until(kernel, MoldExited)
    assert kernel.mold_pid(1) is None


def test_a_worker_is_born_before_it_is_ready(world: World) -> None:
    kernel = with_mold(world)
    kernel.fork(ONE, 1, {})
    seen: list[Fact] = []
    until(kernel, WorkerSaid(ONE, wire.Ready()), seen)
    records = [fact.record for fact in seen if isinstance(fact, WorkerSaid)]
    assert records == [wire.Born(kernel.pid(ONE) or 0), wire.Ready()]


def test_a_ready_worker_owns_its_slot_beats_and_is_idle(world: World) -> None:
    kernel = with_worker(world)
    found = words(kernel)
    assert found[wire.TAG] == ONE
    assert 0 < found[wire.HEARTBEAT] <= kernel.now()
    assert 0 < found[wire.IDLE_SINCE] <= kernel.now()
    assert found[wire.GATE] == 0


def test_without_its_mold_a_worker_is_not_born(world: World) -> None:
    world.kernel.fork(ONE, 1, {})
    unborn = until(world.kernel, WorkerUnborn)
    assert unborn == WorkerUnborn(ONE, errno.ESRCH)
    assert unborn.how == "not born: its mold is gone"
    assert world.kernel.words(ONE) is None


def test_more_births_than_a_channel_takes_at_once_are_all_born(world: World) -> None:
    kernel = with_mold(world)
    for number in range(1, 401):
        kernel.fork(WorkerId(number), 1, {})
    left, deadline = 400, kernel.now() + 30 * SECOND
    while left:
        assert kernel.now() < deadline
        for fact in kernel.wait(deadline):
            assert not isinstance(fact, WorkerUnborn)
            if isinstance(fact, WorkerSaid) and isinstance(fact.record, wire.Born):
                left -= 1
                kernel.signal(fact.worker, signal.SIGKILL)  # 400 of them at once would be 2 GiB


def test_a_worker_takes_a_connection_and_counts_it(world: World) -> None:
    kernel = with_worker(world)
    world.connect()
    wait_words(kernel, wire.ACCEPTED, 1)
    assert words(kernel)[wire.IDLE_SINCE] == 0
    world.hang_up_all()
    wait_words(kernel, wire.CLOSED, 1)
    assert words(kernel)[wire.IDLE_SINCE] > 0


def test_a_worker_at_its_cap_says_that_it_is_full(world: World) -> None:
    kernel = with_worker(world, max_sessions=1)
    world.connect()
    wait_words(kernel, wire.GATE, wire.GATE_FULL)


def test_a_worker_that_has_served_its_sessions_is_spent_and_rings(world: World) -> None:
    kernel = with_worker(world, {wire.MAX_SERVED: 1})
    world.connect()
    until(kernel, WorkerSaid(ONE, wire.Bell()))
    world.connect()
    world.hang_up_all()
    wait_words(kernel, wire.CLOSED, 1)
    assert (words(kernel)[wire.ACCEPTED], words(kernel)[wire.GATE]) == (1, wire.GATE_SPENT)
    assert kernel.queues()[0].length == 1


def ended(kernel: Kernel) -> WorkerExited:
    """The end of a worker, without the totals of its life."""
    fact = until(kernel, WorkerExited)
    assert isinstance(fact, WorkerExited)
    return fact._replace(totals=Totals())


def test_an_idle_worker_retires(world: World) -> None:
    kernel = with_worker(world)
    kernel.tell(ONE, wire.WANT_RETIRE, 0)
    assert ended(kernel) == WorkerExited(ONE, 0, None)
    assert kernel.words(ONE) is None
    assert kernel.pid(ONE) is None


def test_a_worker_with_a_session_declines_to_retire(world: World) -> None:
    kernel = with_worker(world)
    world.connect()
    wait_words(kernel, wire.ACCEPTED, 1)
    kernel.tell(ONE, wire.WANT_RETIRE, 0)
    until(kernel, WorkerSaid(ONE, wire.Declined()))


def test_a_drained_worker_finishes_and_exits(world: World) -> None:
    kernel = with_worker(world)
    world.connect()
    wait_words(kernel, wire.ACCEPTED, 1)
    kernel.tell(ONE, wire.WANT_DRAIN, kernel.now() + 5 * SECOND)
    world.hang_up_all()
    assert ended(kernel) == WorkerExited(ONE, 0, None, accepted=1)


def test_a_killed_workers_sessions_are_counted_as_lost(world: World) -> None:
    kernel = with_worker(world)
    world.connect()
    wait_words(kernel, wire.ACCEPTED, 1)
    kernel.signal(ONE, signal.SIGKILL)
    assert ended(kernel) == WorkerExited(ONE, None, signal.SIGKILL, accepted=1, lost=1)


def test_the_time_of_sessions_adds_up(world: World) -> None:
    kernel = with_worker(world)
    world.connect()
    wait_words(kernel, wire.ACCEPTED, 1)
    began = kernel.now()
    while kernel.now() < began + SECOND // 20:  # a fact ends a wait as well
        kernel.wait(began + SECOND // 20)
    held = totals_at([words(kernel)], kernel.now())
    assert (held.arrivals, held.completions) == (1, 0)
    assert held.held_ns >= SECOND // 20
    world.hang_up_all()
    wait_words(kernel, wire.CLOSED, 1)
    over = totals_at([words(kernel)], kernel.now())
    assert (over.arrivals, over.completions) == (1, 1)
    assert over.held_ns >= held.held_ns
    assert totals_at([words(kernel)], kernel.now() + SECOND).held_ns == over.held_ns
    kernel.signal(ONE, signal.SIGKILL)
    gone = until(kernel, WorkerExited)
    assert isinstance(gone, WorkerExited)
    assert gone.totals[:3] == (1, 1, over.held_ns)


def test_a_worker_born_paused_accepts_when_it_is_told(world: World) -> None:
    kernel = with_worker(world, {wire.WANTED: wire.WANT_PAUSE_OPERATOR})
    assert words(kernel)[wire.GATE] == wire.GATE_PAUSED
    world.connect()
    kernel.tell(ONE, 0, 0)
    wait_words(kernel, wire.ACCEPTED, 1)


def test_a_killed_worker_is_reaped_with_its_signal(world: World) -> None:
    kernel = with_worker(world)
    kernel.signal(ONE, signal.SIGKILL)
    assert until(kernel, WorkerExited) == WorkerExited(ONE, None, signal.SIGKILL)


def test_workers_that_have_ended_when_they_are_first_heard_of_have_said_why() -> None:
    with real_world() as world:
        kernel = with_mold(world, app="tests.apps.hooks:cannot_start")
        before = zombies()
        for number in range(1, 9):
            kernel.fork(WorkerId(number), 1, {})
        deadline = kernel.now() + 10 * SECOND
        while zombies() < before + 8:
            assert kernel.now() < deadline
        seen: list[Fact] = []
        for _ in range(8):
            until(kernel, WorkerExited, seen)
    for number in range(1, 9):
        own = [fact for fact in seen if getattr(fact, "worker", None) == number]
        assert [type(fact.record if isinstance(fact, WorkerSaid) else fact) for fact in own] == [
            wire.Born,
            wire.Failed,
            WorkerExited,
        ]


def zombies() -> int:
    """Children that have ended and aren't reaped."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in children]
    return sum(stat.rpartition(")")[2].split()[0] == "Z" for stat in stats)


def sources_in(world: World, folder: Path) -> dict[str, Any]:
    """The question; a judge of the fake kernel finds what a real one reads."""
    (folder / "prefork.toml").write_text('app = "echo:Echo"\n')
    sources = Sources(str(folder), environ={})
    if isinstance(world.kernel, FakeKernel):
        loaded = load(sources)
        world.kernel.judgement = ConfigRead(loaded.config.plain(), loaded.origins)
    return {"sources": sources.to_json()}


def test_a_judge_reads_a_config_while_everything_else_goes_on(world: World, tmp_path: Path) -> None:
    kernel = with_worker(world)
    if isinstance(kernel, FakeKernel):
        kernel.judge_ns = SECOND
    question = sources_in(world, tmp_path)
    kernel.judge(1, question)
    kernel.signal(ONE, signal.SIGKILL)
    seen: list[Fact] = []
    until(kernel, Judged, seen)
    assert [type(each) for each in seen] == [WorkerExited, Judged]
    loaded = load(Sources.from_json(question["sources"]))
    assert seen[-1] == Judged(1, ConfigRead(loaded.config.plain(), loaded.origins))


def test_a_judge_that_is_held_up_is_ended_by_force_and_another_asked_meanwhile(world: World, tmp_path: Path) -> None:
    kernel, question = world.kernel, sources_in(world, tmp_path)
    os.mkfifo(tmp_path / "held.toml")
    held = {"sources": Sources(str(tmp_path), "held.toml").to_json()}
    if isinstance(kernel, FakeKernel):
        kernel.judge_ns = FOREVER
    kernel.judge(1, held)
    assert kernel.wait(kernel.now() + SECOND // 20) == []
    kernel.end_judge(1)
    if isinstance(kernel, FakeKernel):
        kernel.judge_ns = SECOND
    kernel.judge(2, question)
    ends = [until(kernel, Judged), until(kernel, Judged)]
    assert [isinstance(each, Judged) and (each.judge, type(each.answer)) for each in ends] == [
        (1, ConfigError),
        (2, ConfigRead),
    ]
    kernel.end_judge(1)
    assert kernel.wait(kernel.now() + SECOND // 50) == []


def test_a_judge_is_no_stranger_and_is_left_by_no_master_that_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held.toml")
    held = {"sources": Sources(str(tmp_path), "held.toml").to_json()}
    sink = log.open_sink()
    before = children()
    kernel = LinuxKernel([], sink, Family(alone=True))
    try:
        kernel.judge(1, held)
        kernel.end_judge(1)
        facts = [fact for _ in range(3) for fact in kernel.wait(kernel.now() + SECOND // 2)]
        told = "what reads the config has ended (SIGKILL): what it said is in the log"
        assert [str(fact.answer) for fact in facts if isinstance(fact, Judged)] == [told]
        assert not [fact for fact in facts if isinstance(fact, StrangerReaped)]
        kernel.judge(2, held)
    finally:
        kernel.close()
        sink.close()
    assert children() == before


def test_a_slot_is_used_again_after_its_worker(world: World) -> None:
    kernel = with_worker(world)
    kernel.signal(ONE, signal.SIGKILL)
    until(kernel, WorkerExited)
    kernel.fork(WorkerId(2), 1, {})
    until(kernel, WorkerSaid(WorkerId(2), wire.Ready()))
    found = kernel.words(WorkerId(2))
    assert found is not None
    assert found[wire.TAG] == 2


def test_a_listener_is_reported_once_until_it_is_armed_again(world: World) -> None:
    kernel = world.kernel
    kernel.arm(0)
    world.connect()
    assert until(kernel, ListenerReadable) == ListenerReadable(0)
    assert kernel.queues()[0].length == 1
    assert kernel.wait(kernel.now() + SECOND // 50) == []
    kernel.arm(0)
    assert until(kernel, ListenerReadable) == ListenerReadable(0)


def test_waiting_without_a_fact_ends_at_the_instant_asked_for(world: World) -> None:
    kernel = world.kernel
    at = kernel.now() + SECOND // 100
    assert kernel.wait(at) == []
    assert kernel.now() >= at


def test_what_cpu_a_worker_had_and_lacked_is_known(world: World) -> None:
    kernel = with_worker(world)
    cpu, starved = kernel.cpu(ONE), kernel.starved(ONE)
    assert cpu is not None
    assert starved is not None
    assert 0 <= cpu < SECOND * 10
    assert 0 <= starved < SECOND * 10


def test_orders_to_a_worker_that_is_gone_mean_nothing(world: World) -> None:
    kernel = with_worker(world)
    kernel.signal(ONE, signal.SIGKILL)
    until(kernel, WorkerExited)
    kernel.tell(ONE, wire.WANT_DRAIN, 1)
    kernel.ring(ONE)
    kernel.signal(ONE, signal.SIGKILL)
    assert kernel.cpu(ONE) is kernel.starved(ONE) is None
    assert kernel.wait(kernel.now() + SECOND // 50) == []


def test_before_listen_nobody_can_connect_and_then_the_urls_say_where() -> None:
    fake = FakeKernel(listeners=2)
    fake.connect()
    assert (fake.refused, fake.queues()[0].length) == (1, 0)
    assert len(fake.listen()) == 2
    fake.connect()
    assert (fake.refused, fake.queues()[0].length) == (1, 1)
    sink = log.open_sink()
    listeners = [Listener(TcpAddress("127.0.0.1", 0), 64), Listener(TcpAddress("::1", 0), 64)]
    kernel = LinuxKernel(listeners, sink, Family(alone=False))
    try:
        assert [each.socket.getsockname()[1] for each in listeners] == [0, 0]
        assert [queue.length for queue in kernel.queues()] == [0, 0]
        ports = [int(url.rpartition(":")[2]) for url in kernel.listen()]
        assert ports == [each.socket.getsockname()[1] for each in listeners]
        with socket.create_connection(("127.0.0.1", ports[0]), timeout=5):
            assert until(kernel, ListenerReadable) == ListenerReadable(0)
    finally:
        kernel.close()
        for each in listeners:
            each.close()
        sink.close()


def test_listeners_are_all_bound_or_none() -> None:
    sink = log.open_sink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = Listener(TcpAddress("127.0.0.1", 0), 64)
        listeners = [free, Listener(TcpAddress("127.0.0.1", taken.getsockname()[1]), 64)]
        kernel = LinuxKernel(listeners, sink, Family(alone=False))
        try:
            with pytest.raises(ConfigError, match="the address is in use"):
                kernel.listen()
            assert free.socket.fileno() == -1
        finally:
            kernel.close()
            sink.close()
