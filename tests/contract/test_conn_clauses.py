"""The clauses 26 to 33 of `prefork.backends.contract`: what a session asks of its conn, an app of its worker."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from prefork import wire
from prefork.app.app import App
from prefork.app.framing import Lines, Stream
from prefork.app.session import Address, Session, WriteLimits
from prefork.wire import WANT_DRAIN
from tests.contract.conftest import INSIDE, Client, Scripted, note, until

if TYPE_CHECKING:
    from prefork.app.worker import Worker as OwnWorker

Start = Callable[..., Any]
TINY = WriteLimits(high=1000, low=100, hard=1 << 20)


def held_up(client: Client) -> int:
    """Send until the kernel takes no more; how many bytes it took."""
    sent = 0
    client.socket.setblocking(False)
    try:
        while True:
            sent += client.socket.send(b"x" * 65536)
    except BlockingIOError:
        return sent
    finally:
        client.socket.settimeout(10)


def read_all(client: Client) -> bytes:
    """Everything until the end of the connection."""
    parts = []
    while part := client.socket.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


class Talker(Scripted):
    """Scripted, with what this file is about."""

    def do_pause(self, rest: str) -> None:
        self.send("paused")
        self.conn.pause_reading()
        if rest:
            self.conn.call_later(float(rest), self.conn.resume_reading)

    def do_stream(self, _rest: str) -> None:
        self.conn.set_framer(Stream(limit=5))
        self.received = self.chunk  # type: ignore[method-assign,assignment]

    def chunk(self, chunk: bytes) -> None:
        self.conn.send(chunk + b"|")
        if chunk == b"lines":
            self.conn.set_framer(Lines)
            del self.received

    def do_later_stream(self, rest: str) -> None:
        self.conn.pause_reading()
        self.conn.call_later(0.01, self.do_stream, rest)
        self.conn.call_later(0.02, self.conn.resume_reading)

    def do_eof(self, rest: str) -> None:
        self.send(rest)
        self.conn.send_eof()

    def do_offload(self, rest: str) -> None:
        own = threading.get_ident()
        self.conn.offload(lambda: threading.get_ident() == own, lambda here: self.offloaded(rest, here, own))

    def offloaded(self, rest: str, here: object, own: int) -> None:
        self.send(f"{rest} {here} {threading.get_ident() == own}")

    def do_offload_raise(self, rest: str) -> None:
        def fail() -> None:
            raise ValueError(rest)

        self.conn.offload(fail)

    def do_offload_exit(self, _rest: str) -> None:
        self.conn.offload(lambda: sys.exit(3))

    def do_offload_latch(self, rest: str) -> None:
        self.conn.offload(lambda: os.read(INSIDE["latch"], 1), lambda _: self.send(rest))

    def do_drain(self, _rest: str) -> None:
        self.conn.worker.drain()

    def do_pause_worker(self, _rest: str) -> None:
        self.conn.worker.pause()
        self.conn.worker.resume()

    def do_stop(self, _rest: str) -> None:
        self.conn.server.stop()

    def do_who(self, _rest: str) -> None:
        worker, server = self.conn.worker, self.conn.server
        self.send(f"{worker.id} {worker.name} {worker.sessions} {server.name}")


def test_26_a_paused_session_receives_nothing_and_holds_its_peer_up(start: Start) -> None:
    worker = start(Talker)
    client, other = worker.connect(), worker.connect()
    client.say("pause")
    client.hears("paused")
    held_up(client)
    other.echoes()
    assert worker.sessions == 2
    worker.no_more_notes()


def test_26_resumed_it_receives_first_what_was_read_before_then_the_rest_then_eof(start: Start) -> None:
    worker = start(Talker)
    client = worker.connect()
    client.socket.sendall(b"pause 0.05\necho one\necho two\nec")
    client.socket.sendall(b"ho three\n")
    client.socket.shutdown(socket.SHUT_WR)
    for word in ("paused", "one", "two", "three"):
        client.hears(word)
    client.is_over()
    worker.noted("eof")
    worker.noted("closed NoneType")


def test_26_a_drain_waits_for_a_paused_session(start: Start) -> None:
    worker = start(Talker)
    client = worker.connect()
    client.socket.sendall(b"pause 0.05\n")
    client.hears("paused")
    client.say("echo after")
    worker.want(WANT_DRAIN)
    worker.noted("draining 30")
    client.hears("after")
    client.is_over()
    assert worker.ended() == 0


class Faucet(Session[str]):
    """Pours unasked; tells when it is asked to pause and to resume."""

    framer = Lines
    write_limits = TINY

    def received(self, line: str, /) -> None:
        for _ in range(int(line)):
            self.send("x" * 999)

    def pause_writing(self) -> None:
        note("pause")

    def resume_writing(self) -> None:
        note("resume")
        self.send("resumed")

    def closed(self, exc: BaseException | None, /) -> None:
        note(f"closed {type(exc).__name__}")


def test_27_over_high_the_session_is_told_to_pause_and_down_to_low_to_resume(start: Start) -> None:
    worker = start(Faucet)
    client = worker.connect(opened=False)
    client.say("10000")
    worker.noted("pause")
    for _ in range(10000):
        client.hears("x" * 999)
    worker.noted("resume")
    client.hears("resumed")
    worker.no_more_notes()


def test_27_what_is_sent_over_the_hard_limit_ends_the_session_with_its_reason(start: Start) -> None:
    worker = start(Faucet)
    client, other = worker.connect(opened=False), worker.connect(opened=False)
    client.say("10000")
    worker.noted("pause")
    client.say("1")
    worker.noted("closed WriteLimitError")
    other.say("1")
    other.hears("x" * 999)
    (line,) = worker.log
    assert line.startswith("session with 127.0.0.1:")
    assert line.endswith(" bytes wait for the peer, over the hard limit (1048576)")
    assert worker.slot[wire.ERRORS] == 0


def test_27_by_default_a_peer_that_asks_and_does_not_read_is_held_up_and_loses_nothing(start: Start) -> None:
    worker = start()
    client, other = worker.connect(), worker.connect()
    client.say("pour 20000")
    other.echoes()
    client.socket.sendall(b"".join(b"echo %d\n" % number for number in range(1000)))
    other.echoes()
    for number in range(20000):
        client.hears(f"{number:01000}")
    for number in range(1000):
        client.hears(str(number))


@pytest.mark.parametrize(
    "limits", [(2, 3, 4), (5, 1, 4), (1, -1, 4)], ids=["low over high", "high over hard", "under 0"]
)
def test_27_limits_that_do_not_rise_are_refused(limits: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected 0 <= low <= high <= hard"):
        WriteLimits(*limits)


def test_28_another_framer_holds_from_the_next_item_on(start: Start) -> None:
    client = start(Talker).connect()
    client.socket.sendall(b"echo a\nstream\nabcdelinesecho b\necho")
    client.socket.sendall(b" c\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"a\nabcde|lines|b\nc\n"


def test_28_set_outside_of_received_it_gets_what_was_read_meanwhile(start: Start) -> None:
    client = start(Talker).connect()
    client.socket.sendall(b"later_stream\nabcde")
    assert client.socket.recv(100) == b"abcde|"
    client.socket.sendall(b"linesecho x\n")
    client.hears("lines|x")


def test_28_what_is_no_framer_ends_the_session_as_its_own_error(start: Start) -> None:
    class Wrong(Session[str]):
        framer = Lines

        def opened(self) -> None:
            self.conn.set_framer("lines")  # type: ignore[arg-type]

    worker = start(Wrong)
    worker.connect(opened=False).is_over()
    assert worker.log[0].partition(" ended by ")[2].startswith("TypeError: framer 'lines' is no Framer")


def test_29_after_send_eof_the_peer_reads_the_end_and_may_still_send(start: Start) -> None:
    worker = start(Talker)
    client = worker.connect()
    client.say("eof the last")
    client.hears("the last")
    client.is_over()
    client.say("close")
    worker.noted("closed RuntimeError")  # do_close sends


def test_29_send_eof_waits_for_a_slow_reader(start: Start) -> None:
    client = start(Talker).connect()
    client.socket.sendall(b"pour 20000\neof end\n")
    for number in range(20000):
        client.hears(f"{number:01000}")
    client.hears("end")
    client.is_over()


def test_29_a_session_may_outlive_both_ends(start: Start) -> None:
    class Outlives(Session[str]):
        framer = Lines

        def opened(self) -> None:
            self.conn.send_eof()

        def eof(self) -> None:
            self.conn.call_later(0.05, self.last)

        def last(self) -> None:
            note("outlived both")
            self.close()

        def closed(self, exc: BaseException | None, /) -> None:
            note(f"closed {exc}")

    worker = start(Outlives)
    worker.connect(opened=False).socket.shutdown(socket.SHUT_WR)
    worker.noted("outlived both")
    worker.noted("closed None")


def test_30_offload_runs_in_a_thread_and_then_on_the_loop(start: Start) -> None:
    client = start(Talker).connect()
    for word in ("one", "two"):
        client.say(f"offload {word}")
        client.hears(f"{word} False True")


def test_30_the_loop_serves_others_meanwhile(start: Start) -> None:
    worker = start(Talker)
    client, other = worker.connect(), worker.connect()
    client.say("offload_latch done")
    other.echoes()
    worker.unlatch()
    client.hears("done")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("offload_raise it failed", "ValueError: it failed"),
        ("offload_exit", "RuntimeError: a thread of offload() ended by SystemExit(3)"),
    ],
)
def test_30_its_exception_ends_the_session_alone(start: Start, line: str, error: str) -> None:
    worker = start(Talker)
    client, other = worker.connect(), worker.connect()
    client.say(line)
    client.is_over()
    other.echoes()
    worker.holds(1)
    assert worker.log[0].partition(" ended by ")[2] == error


def test_30_a_drain_waits_for_it(start: Start) -> None:
    worker = start(Talker)
    client = worker.connect()
    client.say("offload_latch finished")
    client.echoes()
    worker.want(WANT_DRAIN)
    worker.noted("draining 30")
    worker.unlatch()
    client.hears("finished")
    client.is_over()
    assert worker.ended() == 0


def test_30_the_end_of_the_session_drops_the_result(start: Start) -> None:
    worker = start(Talker)
    client, other = worker.connect(), worker.connect()
    client.say("offload_latch never")
    client.say("close")
    client.hears("bye")
    client.is_over()
    worker.unlatch()
    for _ in range(3):
        other.say("offload later")
        other.hears("later False True")
    assert worker.log == []


def _admit(peer: Address, listener: Address) -> bool:
    note(f"admit {peer.host} at {listener.host}")
    count = INSIDE["count"] = INSIDE.get("count", 0) + 1
    if count == 2:
        raise ValueError("cannot tell")
    return bool(count != 1)


def test_31_admit_refuses_before_a_session_exists(start: Start) -> None:
    worker = start(App(Scripted, admit=_admit))
    for _ in range(2):
        worker.connect(opened=False).is_over()
        worker.noted("admit 127.0.0.1 at 127.0.0.1")
    client = worker.connect(opened=False)
    client.echoes()
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.REFUSED]) == (1, 2)
    (line,) = worker.log
    assert line.startswith("admit() of 127.0.0.1:")
    assert line.endswith(" raised ValueError: cannot tell")


def _tell(what: str) -> Callable[[OwnWorker], None]:
    return lambda worker: note(f"{what} {worker.id} {worker.name} {worker.sessions}")


def test_32_started_comes_before_ready_and_stopping_after_the_last_session(start: Start) -> None:
    worker = start(App(Scripted, started=_tell("started"), stopping=_tell("stopping")))
    assert select.select([worker.notes], [], [], 0)[0], "READY was read, and started said nothing"
    worker.noted("started 1 test 0")
    client = worker.connect()
    client.socket.sendall(b"part")
    until(lambda: worker.slot[wire.TURN_AT] == 0)
    worker.want(WANT_DRAIN)
    worker.noted("draining 30")
    client.say("")
    worker.noted("closed AttributeError")
    worker.noted("stopping 1 test 0")
    assert worker.ended() == 0


def _fail(_worker: OwnWorker) -> None:
    raise ValueError("no database")


def test_32_started_that_raises_leaves_run_before_ready(start: Start) -> None:
    worker = start(App(Scripted, started=_fail), ready=False)
    assert worker.ended() == 70
    assert worker.hear() is None


def test_32_stopping_that_raises_is_logged_and_the_worker_ends_all_the_same(start: Start) -> None:
    worker = start(App(Scripted, stopping=_fail))
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0
    assert worker.log == ["stopping() raised ValueError: no database"]


def test_33_what_the_app_asks_of_worker_and_server_reaches_the_master(start: Start) -> None:
    worker = start(Talker)
    client = worker.connect()
    client.say("pause_worker\ndrain\nstop\nwho")
    heard = [worker.hear() for _ in range(4)]
    assert heard == [wire.Request(act, "app") for act in ("pause", "resume", "drain", "stop")]
    client.hears("1 test 1 test")
