"""Our own loops keep the contract."""

from __future__ import annotations

import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from prefork import App, Lines, Session, wire
from prefork.backends.posted_link import PostedLink
from prefork.testing.contract import BackendContract, TlsContract
from prefork.testing.contract.scripted import Scripted, note
from prefork.testing.contract.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing.contract.harness import Workers


class TestSelectors(BackendContract):
    backend = "selectors"


class TestAsyncio(BackendContract):
    backend = "asyncio"
    options = {"loop": "asyncio"}  # noqa: RUF012 - as the guide writes it


class TestUvloop(BackendContract):
    backend = "asyncio"
    options = {"loop": "uvloop"}  # noqa: RUF012 - as the guide writes it


class TestSelectorsOverTls(TlsContract):
    backend = "selectors"


class TestAsyncioOverTls(TlsContract):
    backend = "asyncio"
    options = {"loop": "asyncio"}  # noqa: RUF012 - as above


class TestUvloopOverTls(TlsContract):
    backend = "asyncio"
    options = {"loop": "uvloop"}  # noqa: RUF012 - as above


class TestThreadsOverTls(TlsContract):
    backend = "threads"
    threaded = True


class TestThreads(BackendContract):
    backend = "threads"
    threaded = True

    def test_out_of_threads_it_accepts_nobody_and_goes_on_when_one_is_free(self, start: Workers) -> None:
        worker = start(App(Scripted, started=lambda _: _allow_threads(2)))
        first, second = worker.connect(), worker.connect()
        third = worker.connect(opened=False)
        third.say("echo in the end")
        until(lambda: any("can't start new thread; 2 sessions" in line for line in worker.log))
        second.echoes()
        first.socket.close()
        third.hears("in the end")
        assert worker.slot[wire.ACCEPTED] == 3

    def test_a_thread_that_waits_for_its_peer_hears_what_others_say_whenever_they_do(self, start: Workers) -> None:
        worker = start(Prompted)
        for _ in range(200):
            session = worker.connect(opened=False)
            for line in ("first", "second"):
                session.say(line)
                assert sorted(session.line() for _ in range(2)) == [line, f"to {line}"]
            session.socket.close()

    @pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL, lambda *_: None])
    def test_it_does_so_whatever_the_app_has_made_of_the_signal_that_interrupts_it(
        self, start: Workers, handler: Callable[..., object] | signal.Handlers
    ) -> None:
        session = start(App(Prompted, started=lambda _: _handle(signal.SIGURG, handler))).connect(opened=False)
        for line in ("first", "second"):
            session.say(line)
            assert sorted(session.line() for _ in range(2)) == [line, f"to {line}"]

    def test_what_another_thread_asks_of_a_session_that_is_over_is_dropped(self, start: Workers) -> None:
        worker = start(Outlived)
        worker.connect(opened=False).socket.close()
        assert worker.note() == "0 wait"


class Prompted(Session[str]):
    """Each line has two answers: its own, and that of a thread, which comes as the session goes back to wait."""

    framer = Lines

    def __init__(self) -> None:
        self.lines: SimpleQueue[str] = SimpleQueue()

    def opened(self) -> None:
        threading.Thread(target=self.speak, daemon=True).start()

    def received(self, line: str, /) -> None:
        self.send(line)
        self.lines.put(line)

    def speak(self) -> None:
        while True:
            self.conn.send_item(f"to {self.lines.get()}")


class Outlived(Session[str]):
    """A thread of its own speaks to it after its end."""

    framer = Lines

    def __init__(self) -> None:
        self.over = threading.Event()

    def opened(self) -> None:
        threading.Thread(target=self.speak, daemon=True).start()

    def closed(self, _exc: BaseException | None, /) -> None:
        self.over.set()

    def speak(self) -> None:
        self.over.wait()
        conn = self.conn
        assert isinstance(conn, PostedLink)
        conn.send(b"late")
        conn.send_item("late")
        conn.call_later(0, note, "late").cancel()
        conn.close()
        note(f"{len(conn._host.inbox)} wait")


def _allow_threads(count: int) -> None:
    """Refuse more, as the system does where a limit of processes is reached; root has none that a test could set."""
    start = threading.Thread.start

    def start_or_refuse(thread: threading.Thread) -> None:
        if threading.active_count() > count:
            raise RuntimeError("can't start new thread")
        start(thread)

    threading.Thread.start = start_or_refuse  # type: ignore[method-assign,assignment]


def _handle(signum: int, handler: Callable[..., object] | signal.Handlers) -> None:
    signal.signal(signum, handler)
