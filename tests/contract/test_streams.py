"""The style `streams` on asyncio's own loop, on uvloop and on threads: a loop's clauses hold as for a session."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from prefork import App, wire
from prefork.testing.contract import Workers, note
from prefork.testing.contract.accept_clauses import AcceptClauses
from prefork.testing.contract.beat_clauses import BeatClauses
from prefork.testing.contract.harness import MS
from prefork.testing.contract.life_clauses import LifeClauses
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN
from tests.contract.styled import scripted_stream

if TYPE_CHECKING:
    from collections.abc import Iterator


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A line is what to do; `finally` tells that it ran."""
    try:
        while line := await reader.readline():
            await obey(line.decode().strip(), reader, writer)
        note("read the end")
    except asyncio.CancelledError as error:
        note(f"cancelled: {error}")
        raise
    finally:
        writer.write(b"goodbye\n")
        note("finally")


async def obey(line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"{line}\n".encode())
    match line:
        case "sleep":
            await asyncio.sleep(3600)
        case "raise":
            raise ValueError(line)
        case "exactly":
            await reader.readexactly(10)
        case "stubborn":
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    note("refused")


async def refused_at_once(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    raise ConnectionRefusedError("database")


async def refused_after_a_line(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    raise ConnectionRefusedError("database")


async def refused_after_a_reset(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    note("read")
    try:
        await reader.readline()
    except ConnectionResetError:
        raise ConnectionRefusedError("database") from None


class StreamClauses(LifeClauses, BeatClauses, AcceptClauses):
    """In their own words, where a Session is told how many seconds are left."""

    backend: ClassVar[str] = "asyncio"
    options: ClassVar[dict[str, str]] = {}
    threaded = False

    test_15_threads_of_offload_are_bounded_and_used_again = None  # type: ignore[assignment]

    @pytest.fixture
    def start(self) -> Iterator[Workers]:
        with Workers(self.backend, self.options, usual=App(scripted_stream)) as start:
            yield start

    def test_05_a_drain_closes_idle_sessions_at_once_and_the_others_when_they_are_idle(self, start: Workers) -> None:
        worker = start()
        idle, cut = worker.connect(), worker.connect()
        for each in (idle, cut):
            each.echoes()
        cut.socket.sendall(b"echo cut sh")
        idle.echoes()
        worker.want(WANT_DRAIN)
        idle.is_over()
        worker.noted("closed NoneType")
        cut.socket.sendall(b"ort\n")
        cut.hears("cut short")
        cut.is_over()
        assert worker.ended() == 0
        worker.noted("closed NoneType")
        worker.no_more_notes()

    def test_05_what_a_slow_reader_has_not_read_yet_is_sent_before_the_worker_ends(self, start: Workers) -> None:
        worker = start()
        slow, other = worker.connect(), worker.connect()
        slow.say("pour 10000")
        other.echoes()
        worker.want(WANT_DRAIN)
        other.is_over()
        slow.hears_pour(10000)
        slow.is_over()
        assert worker.ended() == 0

    def test_06_who_is_not_idle_by_the_deadline_is_ended(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 200 * MS)
        worker.noted("closed CancelledError")
        client.is_reset()
        assert worker.ended() == 0

    def test_06_without_a_deadline_in_the_slot_drain_timeout_holds(self, start: Workers) -> None:
        worker = start(drain_timeout_ns=200 * MS)
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN)
        worker.noted("closed CancelledError")
        assert worker.ended() == 0

    def test_06_a_deadline_may_be_moved_earlier(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 20_450 * MS)
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
        worker.noted("closed CancelledError")
        assert worker.ended() == 0

    def test_08_when_the_channel_ends_the_port_is_free_and_sessions_drain(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho cut sh")
        client.hears("a")
        worker.listeners[0].close()
        worker.channel.close()
        client.socket.sendall(b"ort\n")
        client.hears("cut short")
        client.is_over()
        assert worker.ended() == 0

    # -- a handler's own affairs ---------------------------------------------------------------------------------------

    def test_a_handler_that_waits_reads_the_end_at_a_drain(self, start: Workers) -> None:
        worker = start(App(handle))
        client = worker.connect(opened=False)
        client.say("hello")
        client.hears("hello")
        worker.want(WANT_DRAIN)
        assert client.rest() == b"goodbye\n"
        assert worker.ended() == 0
        worker.noted("read the end", "finally")

    def test_one_that_works_is_cancelled_at_the_deadline_and_its_finally_blocks_run(self, start: Workers) -> None:
        worker = start(App(handle))
        client = worker.connect(opened=False)
        client.say("sleep")
        client.hears("sleep")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 150 * MS)
        client.hears("goodbye")
        client.is_reset()
        assert worker.ended() == 0
        worker.noted("cancelled: the worker's drain_timeout is over, and the session was not", "finally")
        assert (worker.log, worker.slot[wire.ERRORS]) == ([], 0)

    def test_one_that_does_not_end_when_cancelled_is_told_with_its_line_and_left_behind(self, start: Workers) -> None:
        worker = start(App(handle))
        client = worker.connect(opened=False)
        client.say("stubborn")
        client.hears("stubborn")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 100 * MS)
        assert worker.ended() == 0
        client.is_reset()
        (told,) = (line for line in worker.log if "a task does not end when cancelled: " in line)
        assert f", which is at {obey.__code__.co_filename}:" in told

    def test_an_exception_ends_its_session_alone_and_is_logged_once_with_the_peer(self, start: Workers) -> None:
        worker = start(App(handle))
        client, other = worker.connect(opened=False), worker.connect(opened=False)
        host, port = client.socket.getsockname()
        client.say("raise")
        assert client.rest() == b"raise\ngoodbye\n"
        other.say("on")
        other.hears("on")
        worker.holds(1)
        assert worker.log == [f"session with {host}:{port} ended by ValueError: raise"]
        assert worker.slot[wire.ERRORS] == 1

    def test_a_message_that_the_peer_cut_short_is_a_warning_and_no_error(self, start: Workers) -> None:
        worker = start(App(handle))
        client = worker.connect(opened=False)
        client.socket.sendall(b"exactly\nfour")
        client.hears("exactly")
        client.socket.close()
        worker.ends(1)
        until(lambda: len(worker.log) == 1, lambda: f"one line, not {worker.log}")
        assert worker.log[0].endswith("ended: 4 bytes read on a total of 10 expected bytes")
        assert worker.slot[wire.ERRORS] == 0

    def test_a_peer_that_resets_is_nobody_s_error(self, start: Workers) -> None:
        worker = start(App(handle))
        client = worker.connect(opened=False)
        client.say("hello")
        client.hears("hello")
        client.resets()
        worker.ends(1)
        assert (worker.log, worker.slot[wire.ERRORS]) == ([], 0)

    @pytest.mark.parametrize("handler", [refused_at_once, refused_after_a_line, refused_after_a_reset])
    def test_a_connection_error_of_something_else_is_an_error(self, start: Workers, handler: Any) -> None:
        worker = start(App(handler))
        for number in range(1, 6):
            client = worker.connect(opened=False)
            client.say("hello")
            if handler is refused_after_a_reset:
                worker.noted("read")
                client.resets()
            worker.ends(number)
        assert [line.partition(" ended by ")[2] for line in worker.log] == ["ConnectionRefusedError: database"] * 5
        assert worker.slot[wire.ERRORS] == 5

    def test_a_session_is_counted_until_its_handler_is_over(self, start: Workers) -> None:
        worker = start(App(handle), max_sessions=1)
        client = worker.connect(opened=False)
        client.say("sleep")
        client.hears("sleep")
        client.resets()
        late = worker.connect(opened=False)
        worker.ring()
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 100 * MS)
        assert worker.ended() == 0
        assert worker.slot[wire.ACCEPTED] == 1
        late.socket.close()


class TestOnAsyncio(StreamClauses):
    options = {"loop": "asyncio"}  # noqa: RUF012 - as the guide writes it


class TestOnUvloop(StreamClauses):
    options = {"loop": "uvloop"}  # noqa: RUF012 - as the guide writes it


class TestOnThreads(StreamClauses):
    backend = "threads"
    threaded = True
