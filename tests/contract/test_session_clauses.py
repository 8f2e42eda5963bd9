"""The clauses of `prefork.backends.contract` about sessions, on the selectors loop; tests are named for them."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from prefork import wire
from prefork.app.framing import Lines, Stream
from prefork.app.session import Session
from prefork.wire import WANT_DRAIN

Start = Callable[..., Any]
MS = 1_000_000


def until(fact: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < end
        select.select([], [], [], 0.001)


class Raises(Session[str]):
    """Raises in the callback that it is told to."""

    framer = Lines
    where = "opened"

    def reach(self, callback: str) -> None:
        if callback == self.where:
            raise ValueError(f"in {callback}")

    def opened(self) -> None:
        self.send("hello")
        self.reach("opened")

    def received(self, _line: str, /) -> None:
        self.reach("received")
        self.conn.call_later(0, self.reach, "call_later")

    def flushed(self) -> None:
        self.reach("flushed")

    def eof(self) -> None:
        self.reach("eof")

    def draining(self, _seconds_left: float, /) -> None:
        self.reach("draining")

    def closed(self, exc: BaseException | None, /) -> None:
        if exc is None or str(exc) != f"in {self.where}":
            raise AssertionError(f"closed({exc!r})")
        super().closed(exc)


@pytest.mark.parametrize("where", ["opened", "received", "flushed", "eof", "draining", "call_later"])
def test_11_an_exception_ends_its_session_and_touches_no_other(start: Start, where: str) -> None:
    others: list[int] = []

    def make() -> Session[str]:
        others.append(1)
        session = Raises()
        session.where = where if len(others) == 2 else "nowhere"
        return session

    worker = start(make)
    good, bad = worker.connect(opened=False), worker.connect(opened=False)
    name = "{}:{}".format(*bad.socket.getsockname())
    good.hears("hello")
    bad.hears("hello")
    bad.say("x" if where != "draining" else "x\npart")
    if where == "eof":
        bad.socket.shutdown(socket.SHUT_WR)
    if where == "draining":
        bad.socket.sendall(b"partial")
        until(lambda: worker.slot[wire.TURN_AT] == 0)
        good.socket.sendall(b"partial")
        worker.want(WANT_DRAIN)
    until(lambda: worker.slot[wire.CLOSED] == 1)
    assert worker.log == [f"session with {name} ended by ValueError: in {where}"]
    assert (worker.slot[wire.ERRORS], worker.sessions) == (1, 1)


def test_11_bad_framing_ends_the_session_with_one_line_and_what_was_answered_is_sent(start: Start) -> None:
    worker = start()
    client = worker.connect()
    client.socket.sendall(b"echo a\necho b\n\xff\necho c\n")
    client.hears("a")
    client.hears("b")
    client.is_over()
    worker.noted("closed FramingError")
    (line,) = worker.log
    assert "session with 127.0.0.1:" in line
    assert line.endswith("ended: a line is not UTF-8: invalid start byte in b'\\xff'")
    assert worker.slot[wire.ERRORS] == 0


def test_11_closed_that_raises_is_logged_and_swallowed(start: Start) -> None:
    class BadEnd(Session[str]):
        framer = Lines

        def closed(self, _exc: BaseException | None, /) -> None:
            raise ValueError("at the end")

    worker = start(BadEnd)
    worker.connect(opened=False).socket.close()
    until(lambda: worker.slot[wire.CLOSED] == 1)
    (line,) = worker.log
    assert line.endswith("closed() raised ValueError: at the end")


def test_11_a_session_that_cannot_be_made_ends_its_connection_alone(start: Start) -> None:
    def make() -> Session[str]:
        raise ValueError("no database")

    worker = start(make)
    for count in (1, 2):
        worker.connect(opened=False).is_over()
        worker.ends(count)
    assert [line.partition(" ended by ")[2] for line in worker.log] == ["ValueError: no database"] * 2


@pytest.mark.parametrize(
    ("lines", "ends", "closed"),
    [
        pytest.param("close", "is_over", "closed NoneType", id="closed by the session"),
        pytest.param("close\nclose\nraise x", "is_over", "closed NoneType", id="closed, then more arrives"),
        pytest.param("abort", "is_reset", "closed NoneType", id="aborted"),
        pytest.param("raise x", "is_over", "closed ValueError", id="ended by an exception"),
    ],
)
def test_12_closed_comes_exactly_once_as_the_last(start: Start, lines: str, ends: str, closed: str) -> None:
    worker = start()
    client = worker.connect()
    client.say(lines)
    worker.noted(closed)
    if lines.startswith("close"):
        client.hears("bye")
    if lines.startswith("raise"):
        client.hears("last words")
    getattr(client, ends)()
    worker.holds(0)
    worker.no_more_notes()


def test_12_a_lost_connection_reaches_closed(start: Start) -> None:
    worker = start()
    client = worker.connect()
    client.echoes()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    worker.noted("closed ConnectionResetError")
    assert worker.log == []


class HalfOpen(Session[bytes]):
    """Answers only when the peer's input has ended."""

    framer = Stream

    def received(self, item: bytes, /) -> None:
        self.got = getattr(self, "got", b"") + item

    def eof(self) -> None:
        self.conn.call_later(0.01, self.answer)

    def answer(self) -> None:
        self.send(self.got[::-1])
        self.close()


def test_16_after_the_end_of_input_a_session_may_still_send(start: Start) -> None:
    worker = start(HalfOpen)
    client = worker.connect(opened=False)
    client.socket.sendall(b"abc")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.socket.recv(100) == b"cba"
    client.is_over()


def test_16_by_default_it_closes_once_all_is_sent(start: Start) -> None:
    worker = start()
    client = worker.connect()
    client.say("pour 5000")
    client.socket.shutdown(socket.SHUT_WR)
    for number in range(5000):
        client.hears(f"{number:01000}")
    client.is_over()
    worker.noted("eof")
    worker.noted("closed NoneType")


def test_17_frames_may_come_split_and_joined(start: Start) -> None:
    worker = start()
    client = worker.connect()
    for byte in b"echo split\r\n":
        client.socket.sendall(bytes([byte]))
    client.hears("split")
    client.socket.sendall(b"".join(b"echo %d\n" % number for number in range(3000)))
    for number in range(3000):
        client.hears(str(number))


def test_18_a_slow_reader_gets_every_byte_and_holds_up_nobody(start: Start) -> None:
    worker = start()
    slow, other = worker.connect(), worker.connect()
    slow.say("pour 20000")
    slow.say("echo queued behind")
    other.echoes()
    for number in range(20000):
        slow.hears(f"{number:01000}")
    slow.hears("queued behind")


def test_18_a_close_waits_for_a_slow_reader(start: Start) -> None:
    worker = start()
    slow, other = worker.connect(), worker.connect()
    slow.say("pour 20000")
    slow.say("close")
    other.echoes()
    for number in range(20000):
        slow.hears(f"{number:01000}")
    slow.hears("bye")
    slow.is_over()


def test_22_what_one_callback_sends_arrives_in_one_piece(start: Start) -> None:
    class Three(Session[str]):
        framer = Lines

        def opened(self) -> None:
            for word in ("one", "two", "three"):
                self.send(word)

    client = start(Three).connect(opened=False)
    assert client.socket.recv(1000) == b"one\ntwo\nthree\n"


def test_25_calls_are_made_later_unless_cancelled(start: Start) -> None:
    worker = start()
    client = worker.connect()
    client.say("later 0.02 second")
    client.say("later 0.001 first")
    client.hears("first")
    client.hears("second")
    client.say("cancel")
    client.hears("made")


def test_25_a_call_ends_with_its_session_and_its_exception_is_the_sessions(start: Start) -> None:
    worker = start()
    client = worker.connect()
    client.say("later 0.02 raise")
    client.say("close")
    client.hears("bye")
    other = worker.connect(opened=False)
    worker.noted("closed NoneType")
    other.say("later 0.03 raise")
    other.is_over()
    until(lambda: worker.slot[wire.ERRORS] == 1)
