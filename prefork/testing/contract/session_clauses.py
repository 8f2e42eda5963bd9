"""The clauses about a session: isolation, its end, frames, and the order of what it sends."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from prefork import wire
from prefork.app.framing import Decoder, Framer, FramingError, Lines, Stream
from prefork.app.session import Session
from prefork.testing.contract.scripted import note
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from prefork.testing.contract.harness import Workers

WHERE = ["opened", "received", "flushed", "eof", "draining", "call_later"]


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
        self.send("heard")
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


class Text(Framer[str]):
    """Encodes to what can't be sent."""

    def decoder(self) -> Decoder[str]:
        return Lines().decoder()

    def encode(self, item: str, /) -> bytes:
        return item  # type: ignore[return-value]


class Uncouth(Session[str]):
    """Does what no type checker would let pass, but no session may suffer from."""

    framer = Lines

    def received(self, line: str, /) -> None:
        getattr(self, f"do_{line}")()

    def do_hello(self) -> None:
        self.send("hello")

    def do_base(self) -> None:
        raise BaseException("no Exception")  # noqa: TRY002 - as gevent's Timeout and asyncio's CancelledError are

    def do_later(self) -> None:
        self.conn.call_later(0, self.do_base)

    def do_then(self) -> None:
        self.conn.offload(lambda: None, lambda _: self.do_base())

    def do_closed(self) -> None:
        self.closed = self.break_off  # type: ignore[method-assign]
        self.close()

    def break_off(self, _exc: BaseException | None, /) -> None:
        self.do_base()

    def do_encode(self) -> None:
        self.conn.set_framer(Text)
        self.send("text")

    def do_reply(self) -> None:
        raise FramingError("", reply="text")  # type: ignore[arg-type]

    def do_late_call(self) -> None:
        thread = threading.Thread(target=lambda: self.conn.call_later(float("inf"), self.do_hello))
        thread.start()
        thread.join()
        self.close()


class Unlimited(Session[str]):
    """Has no limits."""

    framer = Lines
    write_limits = (1, 2, 3)  # type: ignore[assignment]


class Polite(Session[bytes]):
    """Takes nothing for a frame."""

    framer = Stream

    def received(self, chunk: bytes, /) -> None:
        self.conn.send(b"before ")
        raise FramingError(f"{chunk!r} is no frame", reply=b"sorry")


class BadEnd(Session[str]):
    """Raises when it is over."""

    framer = Lines

    def closed(self, _exc: BaseException | None, /) -> None:
        raise ValueError("at the end")


class HalfOpen(Session[bytes]):
    """Answers only when the peer's input has ended."""

    framer = Stream
    got = b""

    def received(self, item: bytes, /) -> None:
        self.got += item

    def eof(self) -> None:
        self.conn.call_later(0.01, self.answer)

    def answer(self) -> None:
        self.send(self.got[::-1])
        self.close()


class Single(Session[str]):
    """Notes a callback that begins while another one runs, and what comes after `closed`."""

    framer = Lines

    def opened(self) -> None:
        self.inside = threading.Lock()
        self.left = 0

    def received(self, line: str, /) -> None:
        with self:
            self.conn.call_later(0, self.done, line)
            self.conn.offload(lambda: line, self.done)
            self.left += 2

    def done(self, _line: str) -> None:
        with self:
            self.left -= 1
            if not self.left:
                self.send("all done")

    def closed(self, _exc: BaseException | None, /) -> None:
        with self:
            note("closed")
        self.inside.acquire()

    def __enter__(self) -> None:
        if not self.inside.acquire(blocking=False):
            note("overlap")
        select.select([], [], [], 0.0005)  # long enough for another thread to come in

    def __exit__(self, *_: object) -> None:
        self.inside.release()


class SessionClauses:
    """11, 12, 16."""

    # -- isolation -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("where", WHERE)
    def test_11_an_exception_ends_its_session_and_touches_no_other(self, start: Workers, where: str) -> None:
        made: list[int] = []

        def make() -> Session[str]:
            made.append(1)
            session = Raises()
            session.where = where if len(made) == 2 else "nowhere"
            return session

        worker = start(make)
        good = worker.connect(opened=False)
        good.hears("hello")  # its session is the first that was made, whoever made them
        bad = worker.connect(opened=False)
        name = "{}:{}".format(*bad.socket.getsockname())
        bad.hears("hello")
        bad.say("x")
        if where == "eof":
            bad.socket.shutdown(socket.SHUT_WR)
        if where == "draining":
            bad.socket.sendall(b"partial")
            good.socket.sendall(b"partial")
            worker.rests()
            worker.want(WANT_DRAIN)
        worker.ends(1)
        assert worker.log == [f"session with {name} ended by ValueError: in {where}"]
        until(lambda: (worker.slot[wire.ERRORS], worker.sessions) == (1, 1), "counted")
        good.say("x")
        good.hears("heard")

    def test_11_bad_framing_ends_the_session_with_one_line_and_what_was_answered_is_sent(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho b\n\xff\necho c\n")
        client.hears("a", "b")
        client.is_over()
        worker.noted("closed FramingError")
        (line,) = worker.log
        assert "session with 127.0.0.1:" in line
        assert line.endswith("ended: a line is not UTF-8: invalid start byte in b'\\xff'")
        assert worker.slot[wire.ERRORS] == 0

    def test_11_bad_framing_may_say_a_last_word_in_the_protocol_itself(self, start: Workers) -> None:
        client = start(Polite).connect(opened=False)
        client.socket.sendall(b"?")
        assert client.socket.recv(100) == b"before sorry"
        client.is_over()

    @pytest.mark.parametrize("line", ["base", "later", "then", "closed", "encode", "reply", "late_call"])
    def test_11_nor_does_what_is_no_exception_or_no_bytes(self, start: Workers, line: str) -> None:
        worker = start(Uncouth)
        good, bad = worker.connect(opened=False), worker.connect(opened=False)
        bad.say(line)
        bad.is_over()
        worker.ends(1)
        good.say("hello")
        good.hears("hello")

    def test_11_write_limits_that_are_none_end_the_session_at_once(self, start: Workers) -> None:
        worker = start(Unlimited)
        worker.connect(opened=False).is_over()
        worker.ends(1)
        assert worker.log[0].endswith("ended by TypeError: write_limits (1, 2, 3) of Unlimited: expected a WriteLimits")

    def test_11_closed_that_raises_is_logged_and_swallowed(self, start: Workers) -> None:
        worker = start(BadEnd)
        worker.connect(opened=False).socket.close()
        worker.ends(1)
        (line,) = worker.log
        assert line.endswith("closed() raised ValueError: at the end")

    def test_11_a_session_that_cannot_be_made_ends_its_connection_alone(self, start: Workers) -> None:
        def make() -> Session[str]:
            raise ValueError("no database")

        worker = start(make)
        for count in (1, 2):
            worker.connect(opened=False).is_over()
            worker.ends(count)
        assert [line.partition(" ended by ")[2] for line in worker.log] == ["ValueError: no database"] * 2

    # -- the end -------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("lines", "ends", "closed"),
        [
            pytest.param("close", "is_over", "closed NoneType", id="closed by the session"),
            pytest.param("close\nclose\nraise x", "is_over", "closed NoneType", id="closed, then more arrives"),
            pytest.param("abort", "is_reset", "closed NoneType", id="aborted"),
            pytest.param("raise x", "is_over", "closed ValueError", id="ended by an exception"),
        ],
    )
    def test_12_closed_comes_exactly_once_as_the_last(self, start: Workers, lines: str, ends: str, closed: str) -> None:
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

    def test_12_a_lost_connection_reaches_closed(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.echoes()
        client.resets()
        worker.noted("closed ConnectionResetError")
        assert worker.log == []

    def test_12_callbacks_of_one_session_never_overlap(self, start: Workers) -> None:
        worker = start(Single)
        client = worker.connect(opened=False)
        for number in range(30):
            client.say(str(number))
        client.hears("all done")
        client.say("once more")
        client.socket.close()
        worker.noted("closed")
        worker.holds(0)
        worker.no_more_notes()

    def test_16_after_the_end_of_input_a_session_may_still_send(self, start: Workers) -> None:
        client = start(HalfOpen).connect(opened=False)
        client.socket.sendall(b"abc")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.rest() == b"cba"

    def test_16_by_default_it_closes_once_all_is_sent(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.say("pour 5000")
        client.socket.shutdown(socket.SHUT_WR)
        client.hears_pour(5000)
        client.is_over()
        worker.noted("eof")
        worker.noted("closed NoneType")
