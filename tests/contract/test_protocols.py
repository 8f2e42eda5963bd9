"""The style `protocol` on asyncio's own loop and on uvloop: the loop's clauses hold for it as for a session."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from prefork import App, wire
from prefork.testing.contract import Workers, note
from prefork.testing.contract.accept_clauses import AcceptClauses
from prefork.testing.contract.beat_clauses import BeatClauses
from prefork.testing.contract.harness import MS
from prefork.testing.contract.life_clauses import LifeClauses
from prefork.testing.contract.tls_client import certificates
from prefork.testing.contract.waiting import elapse, until
from prefork.wire import WANT_DRAIN
from tests.contract.styled import ScriptedProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.tls import TlsSettings


class ProtocolClauses(LifeClauses, BeatClauses, AcceptClauses):
    """In their own words, where a Session is told how many seconds are left."""

    loop: ClassVar[str]
    threaded = False

    test_15_threads_of_offload_are_bounded_and_used_again = None  # type: ignore[assignment]

    @pytest.fixture
    def start(self) -> Iterator[Workers]:
        with Workers("asyncio", {"loop": self.loop}, usual=App(ScriptedProtocol)) as start:
            yield start

    def test_05_a_drain_closes_idle_sessions_at_once_and_the_others_when_they_are_idle(self, start: Workers) -> None:
        worker = start()
        idle, cut, later = (worker.connect() for _ in range(3))
        for each in (idle, cut, later):
            each.echoes()
        cut.socket.sendall(b"echo cut sh")
        later.say("later 0.3 echo done")
        idle.echoes()
        worker.want(WANT_DRAIN)
        idle.is_over()
        worker.noted("closed NoneType", "draining", "draining")
        later.hears("done")
        later.is_over()
        cut.socket.sendall(b"ort\n")
        cut.hears("cut short")
        cut.is_over()
        assert worker.ended() == 0
        worker.noted("closed NoneType", "closed NoneType")
        worker.no_more_notes()

    def test_05_what_a_slow_reader_has_not_read_yet_is_sent_before_the_worker_ends(self, start: Workers) -> None:
        worker = start()
        slow = worker.connect()
        slow.say("pour 10000")
        worker.want(WANT_DRAIN)
        worker.noted("draining")
        slow.hears_pour(10000)
        slow.is_over()
        assert worker.ended() == 0

    def test_06_who_is_not_idle_by_the_deadline_is_ended(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 200 * MS)
        worker.noted("draining")
        worker.noted("closed DrainTimeoutError")
        client.is_reset()
        assert worker.ended() == 0

    def test_06_without_a_deadline_in_the_slot_drain_timeout_holds(self, start: Workers) -> None:
        worker = start(drain_timeout_ns=200 * MS)
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN)
        worker.noted("draining")
        worker.noted("closed DrainTimeoutError")
        assert worker.ended() == 0

    def test_06_a_deadline_may_be_moved_earlier(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 20_450 * MS)
        worker.noted("draining")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
        worker.noted("closed DrainTimeoutError")
        assert worker.ended() == 0

    def test_08_when_the_channel_ends_the_port_is_free_and_sessions_drain(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho cut sh")
        client.hears("a")
        worker.listeners[0].close()
        worker.channel.close()
        worker.noted("draining")
        client.socket.sendall(b"ort\n")
        client.hears("cut short")
        client.is_over()
        assert worker.ended() == 0


class TestOnAsyncio(ProtocolClauses):
    loop = "asyncio"


class TestOnUvloop(ProtocolClauses):
    loop = "uvloop"


# -- what a protocol may do beside -------------------------------------------------------------------------------------


class Slotted(asyncio.BufferedProtocol):
    """Nothing can be put on it, and it hands its transport on."""

    __slots__ = ("buffer", "transport")

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, bytearray(100)

    def get_buffer(self, _hint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.transport.write(bytes(self.buffer[:count]))
        self.transport.set_protocol(Heir(self.transport))


class Heir(asyncio.Protocol):
    def __init__(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def shutdown(self) -> None:
        note("heir")
        self.transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        note("lost")
        raise ValueError("to the last")


class Broken(asyncio.Protocol):
    """Each connection fails somewhere else."""

    error: type[Exception] = ValueError
    places = iter(["__init__", "connection_made", "data_received", "eof_received", "call_soon", "shutdown"])

    def __init__(self) -> None:
        self.place = next(self.places)
        self.fail("__init__")

    def fail(self, place: str) -> None:
        if self.place == place:
            raise self.error(place)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.fail("connection_made")
        asyncio.get_running_loop().call_soon(self.fail, "call_soon")

    def data_received(self, _data: bytes) -> None:
        self.fail("data_received")
        self.transport.write(b"on\n")

    def eof_received(self) -> None:
        self.fail("eof_received")

    async def shutdown(self) -> None:
        await asyncio.sleep(0)
        self.fail("shutdown")

    def connection_lost(self, exc: Exception | None) -> None:
        note(f"{self.place} {exc!r}")


class BrokenOutside(Broken):
    """As if its own connection were lost."""

    error = ConnectionResetError


class Unlucky(asyncio.Protocol):
    """What it needs beside its connection isn't there."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        match data:
            case b"pour\n":
                self.transport.write(bytes(100_000_000))
            case b"file\n":
                Path("/nonexistent").read_bytes()
            case b"database\n":
                raise ConnectionRefusedError("no database")
            case b"timeout\n":
                raise TimeoutError("too slow")
            case b"pipe\n":
                raise BrokenPipeError("of another")
        self.transport.write(b"on\n")

    def eof_received(self) -> None:
        raise ConnectionResetError("of another")

    def connection_lost(self, exc: Exception | None) -> None:
        note(f"lost {type(exc).__name__}")


class UnluckyBuffered(Slotted):
    __slots__ = ()

    def buffer_updated(self, _count: int) -> None:
        raise OSError("no disk")

    def connection_lost(self, exc: Exception | None) -> None:
        note(f"lost {type(exc).__name__}")


class Deaf(asyncio.Protocol):
    """No `shutdown`; it doesn't read, and nobody else knows it."""

    def connection_made(self, transport: Any) -> None:
        transport.pause_reading()
        transport.write(b"here\n")

    def connection_lost(self, exc: Exception | None) -> None:
        note(f"lost {type(exc).__name__}")


@pytest.fixture(params=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with Workers("asyncio", {"loop": request.param}) as start:
        yield start


def test_its_end_is_seen_whatever_the_protocol_was_by_then(start: Workers) -> None:
    worker = start(App(Slotted))
    client, other = worker.connect(opened=False), worker.connect(opened=False)
    for each in (client, other):
        each.say("once")
        each.hears("once")
        each.say("again")
        each.hears("AGAIN")
    host, port = client.socket.getsockname()
    client.socket.close()
    worker.noted("lost")
    worker.ends(1)
    assert worker.log == [f"session with {host}:{port} ended by ValueError: to the last"]
    worker.want(WANT_DRAIN)
    worker.noted("heir", "lost")
    assert worker.ended() == 0


@pytest.mark.parametrize("broken", [Broken, BrokenOutside])
def test_an_exception_ends_its_session_alone_and_is_logged_once_wherever_it_comes_from(
    start: Workers, broken: type[Broken]
) -> None:
    worker = start(App(broken))
    error = broken.error.__name__
    lines = []
    for number, place in enumerate(["__init__", "connection_made", "data_received", "eof_received", "call_soon"], 1):
        client = worker.connect(opened=False)
        host, port = client.socket.getsockname()
        lines.append(f"session with {host}:{port} ended by {error}: {place}")
        if place.endswith("received"):
            client.say("x")
        if place == "eof_received":
            client.hears("on")
            client.socket.shutdown(socket.SHUT_WR)
        assert client.rest() == b""
        worker.ends(number)
        if place != "__init__":
            worker.noted(f"{place} {error}('{place}')")
    last = worker.connect(opened=False)
    last.say("x")
    last.hears("on")
    assert worker.log == lines
    assert worker.slot[wire.ERRORS] == len(lines)
    worker.want(WANT_DRAIN)
    worker.noted(f"shutdown {error}('shutdown')")
    assert worker.ended() == 0
    assert len(worker.log) == len(lines) + 1


@pytest.mark.parametrize("tls", [None, certificates().server])
def test_an_oserror_of_its_own_is_told_as_any_other_and_is_no_lost_connection(
    start: Workers, tls: TlsSettings | None
) -> None:
    worker = start(App(Unlucky), tls=tls)
    kinds = {"file": "FileNotFoundError", "database": "ConnectionRefusedError", "timeout": "TimeoutError"}
    for number, (word, error) in enumerate({**kinds, "pipe": "BrokenPipeError", "end": ""}.items(), 1):
        client = worker.connect(opened=False)
        host, port = client.socket.getsockname()
        client.say(word)
        if not error:
            client.hears("on")
            client.socket.shutdown(socket.SHUT_WR)
        expected = error or "ConnectionResetError"
        worker.noted(f"lost {expected}")
        worker.ends(number)
        assert len(worker.log) == worker.slot[wire.ERRORS] == number
        assert worker.log[-1].startswith(f"session with {host}:{port} ended by {expected}: ")
    assert 'Path("/nonexistent").read_bytes()' in worker.whole_log


def test_an_oserror_of_a_buffered_one_with_slots_is_told(start: Workers) -> None:
    worker = start(App(UnluckyBuffered))
    worker.connect(opened=False).say("x")
    worker.noted("lost OSError")
    worker.ends(1)
    assert [line.partition(" ended by ")[2] for line in worker.log] == ["OSError: no disk"]
    assert worker.slot[wire.ERRORS] == 1


@pytest.mark.parametrize("tls", [None, certificates().server])
@pytest.mark.parametrize("word", ["hello", "pour"])
def test_a_connection_lost_at_rest_or_in_the_middle_of_a_write_is_no_error(
    start: Workers, tls: TlsSettings | None, word: str
) -> None:
    worker = start(App(Unlucky), tls=tls)
    client = worker.connect(opened=False)
    client.say(word)
    assert client.socket.recv(1)
    client.resets()
    worker.noted("lost ConnectionResetError")
    worker.ends(1)
    assert (worker.log, worker.slot[wire.ERRORS]) == ([], 0)


def test_one_that_cannot_be_asked_goes_on_until_the_deadline_even_if_nothing_else_refers_to_it(start: Workers) -> None:
    worker = start(App(Deaf))
    client = worker.connect(opened=False)
    client.hears("here")
    worker.want(WANT_DRAIN, by=time.monotonic_ns() + 300 * MS)
    worker.noted("lost DrainTimeoutError")
    client.is_reset()
    assert worker.ended() == 0


def test_a_factory_is_told_what_it_made(start: Workers) -> None:
    def make() -> Any:
        return "no protocol"

    worker = start(App(make, style="protocol"))
    worker.connect(opened=False).is_over()
    worker.ends(1)
    assert worker.log[0].endswith("made a str, not an asyncio.Protocol")


def test_busy_time_is_known_of_work_that_no_turn_sees(start: Workers) -> None:
    worker = start(App(ScriptedProtocol), heartbeat_interval_ns=20 * MS)
    client = worker.connect()
    busy = worker.slot[wire.BUSY]
    for _ in range(20):
        client.say("pour 500")
        client.hears_pour(500)
    until(lambda: worker.slot[wire.BUSY] - busy > 10 * MS, lambda: f"{worker.slot[wire.BUSY] - busy} ns are known")
    worker.rests()
    elapse(60 * MS)
    rested = worker.slot[wire.BUSY]
    elapse(100 * MS)
    assert worker.slot[wire.BUSY] - rested < 50 * MS
