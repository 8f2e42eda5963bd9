"""The clause about coroutines: what a conn offers to be awaited, and how its coroutine ends."""

from __future__ import annotations

import contextlib
import sys
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from prefork.app.app import App
from prefork.app.framing import Lines, Stream
from prefork.app.session import DrainTimeoutError, Hold
from prefork.testing.contract.scripted import block, is_main, note
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from prefork.app.async_conn import AsyncConn
    from prefork.testing.contract.client import Client
    from prefork.testing.contract.harness import Worker, Workers

MS = 1_000_000
_SPEAKER: ContextVar[str] = ContextVar("speaker", default="nobody")
_OTHERS: list[AsyncConn[Any]] = []


class Words:
    """What a line says, as a coroutine."""

    def __init__(self, conn: AsyncConn[str]) -> None:
        self.conn = conn
        self.holds: list[Hold] = []

    async def do_echo(self, rest: str) -> None:
        await self.conn.send(rest)

    async def do_pour(self, rest: str) -> None:
        for number in range(int(rest)):
            await self.conn.send(f"{number:01000}")
        note("poured")

    async def do_sleep(self, rest: str) -> None:
        await self.conn.sleep(float(rest))

    async def do_offload(self, rest: str) -> None:
        await self.conn.send(await self.conn.offload(lambda: f"{rest} {is_main()}"))

    async def do_offload_raise(self, rest: str) -> None:
        def fail() -> None:
            raise ValueError(rest)

        try:
            await self.conn.offload(fail)
        except ValueError as error:
            await self.conn.send(f"raised {error}")

    async def do_offload_latch(self, rest: str) -> None:
        await self.conn.offload(block)
        await self.conn.send(rest)

    async def do_raise(self, rest: str) -> None:
        await self.conn.send("last words")
        raise ValueError(rest)

    async def do_exit(self, rest: str) -> None:
        sys.exit(int(rest))

    async def do_close(self, _rest: str) -> None:
        await self.conn.send("bye")
        await self.conn.close()
        note("closed")

    async def do_abort(self, _rest: str) -> None:
        self.conn.abort()

    async def do_eof(self, rest: str) -> None:
        await self.conn.send(rest)
        self.conn.send_eof()

    async def do_read(self, rest: str) -> None:
        chunk = await self.conn.read(int(rest))
        await self.conn.write(chunk + b"|\n")

    async def do_stream(self, _rest: str) -> None:
        self.conn.set_framer(Stream(limit=5))
        chunk: Any = await self.conn.receive()
        await self.conn.write(chunk + b"|\n")
        self.conn.set_framer(Lines)

    async def do_names(self, _rest: str) -> None:
        await self.conn.send(f"{self.conn.peer} {self.conn.local} {self.conn.listener}")

    async def do_who(self, _rest: str) -> None:
        worker, server = self.conn.worker, self.conn.server
        await self.conn.send(f"{worker.id} {worker.name} {worker.sessions} {server.name} {self.conn.is_closing}")

    async def do_hold(self, _rest: str) -> None:
        hold = self.conn.hold()
        self.conn.call_later(0.05, hold.release)
        await self.conn.send("held")

    async def do_speaker(self, rest: str) -> None:
        await self.conn.send(_SPEAKER.get())
        _SPEAKER.set(rest)

    async def do_join(self, _rest: str) -> None:
        _OTHERS.append(self.conn)
        await self.conn.send("joined")

    async def do_shout(self, rest: str) -> None:
        for other in _OTHERS:
            other.send_nowait(rest)


async def scripted(conn: AsyncConn[str]) -> None:
    """Does what a line says; tells its life in notes."""
    words = Words(conn)
    note(f"opened {conn.listener}")
    try:
        async for line in conn:
            word, _, rest = line.partition(" ")
            await getattr(words, f"do_{word}")(rest)
        await conn.send("the end")
        note("no more input")
    except BaseException as error:
        note(f"raised {type(error).__name__}")
        raise


async def asks(conn: AsyncConn[str]) -> None:
    """Receives without a thought for the end of input."""
    while True:
        await conn.send(await conn.receive())


async def tidies(conn: AsyncConn[str]) -> None:
    """Its clean-up waits, though nothing may be waited for any more."""
    try:
        await conn.send("begun")
        await conn.sleep(3600)
    finally:
        note("clean-up begins")
        try:
            await conn.sleep(3600)
        except DrainTimeoutError:
            note("refused")


async def stubborn(conn: AsyncConn[str]) -> None:
    """Takes no error for an answer."""
    await conn.send("begun")
    while True:
        with contextlib.suppress(Exception):
            await conn.receive()


async def raw(conn: AsyncConn[bytes]) -> None:
    """Speaks bytes, as no framer was named."""
    while chunk := await conn.read():
        await conn.send(chunk.upper())
    await conn.send(b"END")


def speaking(start: Workers, **conditions: Any) -> tuple[Worker, Client]:  # noqa: ANN401 - as `start` takes them
    """A worker of scripted coroutines, and a peer."""
    worker = start(App(scripted, framer=Lines(limit=200)), **conditions)
    return worker, worker.connect()


class CoroutineClauses:
    """37."""

    def test_37_a_coroutine_receives_frames_split_and_joined_in_order(self, start: Workers) -> None:
        _, client = speaking(start)
        for byte in b"echo split\r\n":
            client.socket.sendall(bytes([byte]))
        client.hears("split")
        client.socket.sendall(b"".join(b"echo %d\n" % number for number in range(3000)))
        client.hears(*map(str, range(3000)))

    def test_37_without_a_framer_it_speaks_bytes(self, start: Workers) -> None:
        client = start(App(raw)).connect(opened=False)
        client.socket.sendall(b"bytes")
        assert client.socket.recv(100) == b"BYTES"
        client.socket.shutdown(1)
        assert client.rest() == b"END"

    def test_37_the_end_of_input_ends_its_loop_and_its_return_closes_when_all_is_sent(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.say("pour 3000")
        client.socket.shutdown(1)
        client.hears_pour(3000)
        client.hears("the end")
        client.is_over()
        worker.noted("poured", "no more input")
        worker.ends(1)

    def test_37_receive_raises_at_the_end_of_input_and_uncaught_that_is_a_return(self, start: Workers) -> None:
        worker = start(App(asks, framer=Lines))
        client = worker.connect(opened=False)
        client.say("one")
        client.hears("one")
        client.socket.shutdown(1)
        client.is_over()
        worker.ends(1)
        assert worker.log == []

    def test_37_its_exception_ends_its_session_and_is_logged_once_with_the_peer(self, start: Workers) -> None:
        worker, client = speaking(start)
        other = worker.connect()
        peer = "{}:{}".format(*client.socket.getsockname())
        client.say("raise on purpose")
        client.hears("last words")
        client.is_over()
        worker.noted("raised ValueError")
        other.echoes()
        assert worker.log == [f"session with {peer} ended by ValueError: on purpose"]

    def test_37_an_exit_leaves_run(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.say("exit 7")
        assert worker.ended() == 7

    def test_37_it_sleeps_and_offloads_and_what_comes_meanwhile_waits_its_turn(self, start: Workers) -> None:
        _, client = speaking(start)
        client.say("sleep 0.02\necho one\noffload two\nsleep 0.001\noffload_raise three\necho four")
        client.hears("one", "two False", "raised three", "four")

    def test_37_who_is_not_asked_for_more_is_held_up_and_loses_nothing(self, start: Workers) -> None:
        worker, client = speaking(start)
        other = worker.connect()
        client.say("offload_latch done")
        worker.noted("blocked")
        client.socket.sendall(b"echo before\n")
        sent = client.held_up()
        other.echoes()
        worker.unlatch()
        client.hears("done", "before")
        assert sent > 1 << 16

    def test_37_send_waits_for_a_slow_reader_who_gets_every_byte(self, start: Workers) -> None:
        worker, slow = speaking(start)
        other = worker.connect()
        slow.say("pour 20000\necho queued behind")
        other.echoes()
        worker.no_more_notes()
        slow.hears_pour(20000)
        slow.hears("queued behind")
        worker.noted("poured")

    def test_37_close_waits_until_all_is_sent(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.say("close")
        client.hears("bye")
        client.is_over()
        worker.noted("closed", "no more input")
        assert worker.log == []

    def test_37_abort_resets(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.say("abort")
        client.is_reset()
        worker.noted("no more input")

    def test_37_a_lost_peer_raises_where_it_waits(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.resets()
        worker.noted("raised ConnectionResetError")
        worker.ends(1)
        assert worker.log == []

    def test_37_who_takes_no_error_for_an_answer_is_ended(self, start: Workers) -> None:
        worker = start(App(stubborn, framer=Lines))
        client, other = worker.connect(opened=False), worker.connect(opened=False)
        client.hears("begun")
        other.hears("begun")
        client.resets()
        worker.ends(1)
        other.socket.shutdown(1)
        other.is_over()
        worker.ends(2)

    def test_37_a_new_framer_and_a_read_hold_from_the_next_byte_on(self, start: Workers) -> None:
        _, client = speaking(start)
        client.socket.sendall(b"stream\n12345read 3\nabcecho x\nsleep 0.01\nread 2\nzzstream\n")
        client.hears("12345|", "abc|", "x", "zz|")
        client.socket.sendall(b"54321echo y\n")
        client.hears("54321|", "y")

    def test_37_send_eof_ends_output_alone(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.say("eof last")
        client.hears("last")
        client.is_over()
        client.say("sleep 0")
        client.socket.shutdown(1)
        worker.noted("raised RuntimeError")  # the coroutine says "the end" all the same

    def test_37_it_knows_its_ends_its_worker_and_its_pool(self, start: Workers) -> None:
        worker, client = speaking(start)
        ours, theirs = ("{}:{}".format(*each.getsockname()) for each in (client.socket, worker.listeners[0]))
        client.say("names\nwho")
        client.hears(f"{ours} {theirs} {theirs}", "1 test 1 test False")

    def test_37_each_has_a_context_of_its_own(self, start: Workers) -> None:
        worker, client = speaking(start)
        other = worker.connect()
        client.say("speaker one\nsleep 0.001\nspeaker one")
        client.hears("nobody", "one")
        other.say("speaker two")
        other.hears("nobody")

    def test_37_others_send_to_it_without_waiting(self, start: Workers) -> None:
        worker, client = speaking(start)
        other = worker.connect()
        client.say("join")
        client.hears("joined")
        other.say("shout hello")
        client.hears("hello")

    def test_37_a_drain_closes_who_waits_for_input_and_that_is_its_end_of_input(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.echoes()
        worker.want(WANT_DRAIN)
        client.is_over()
        worker.noted("no more input")
        assert worker.ended() == 0
        assert worker.log == []

    def test_37_a_drain_waits_for_who_sleeps_or_holds(self, start: Workers) -> None:
        worker, sleeps = speaking(start)
        holds = worker.connect()
        sleeps.say("echo asleep\nsleep 0.05\necho awake")
        sleeps.hears("asleep")
        holds.say("hold")
        holds.hears("held")
        worker.want(WANT_DRAIN)
        sleeps.hears("awake")
        for client in (sleeps, holds):
            client.is_over()
        worker.noted("no more input", "no more input")
        assert worker.ended() == 0

    def test_37_at_the_deadline_it_is_told_and_its_clean_up_waits_for_nothing(self, start: Workers) -> None:
        worker = start(App(tidies, framer=Lines))
        client = worker.connect(opened=False)
        client.hears("begun")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
        worker.noted("clean-up begins")
        worker.noted("refused")
        assert worker.ended() == 0
        assert worker.log[1:] == []

    def test_37_nothing_is_left_of_those_that_are_over(self, start: Workers) -> None:
        worker, client = speaking(start)
        client.echoes()
        before = 0
        for number in range(1, 51):
            passing = worker.connect()
            passing.say("sleep 0.0001\necho x")
            passing.hears("x")
            before = worker.descriptors if number == 1 else before
            passing.socket.close()
            worker.noted("no more input")
            worker.ends(number)
        until(lambda: worker.descriptors <= before, "no descriptor more than before")
