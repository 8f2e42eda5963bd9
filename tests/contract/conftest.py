"""A backend's loop in a forked child, over a real channel, slot and listener; the test plays the master."""

from __future__ import annotations

import logging
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork import wire
from prefork.app.app import App
from prefork.app.framing import Lines
from prefork.app.session import Session
from prefork.backends.preface import address
from prefork.backends.registry import load_backend, make_options
from prefork.backends.tether import Tether, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 10.0
MS = 1_000_000
INSIDE: dict[str, Any] = {}
"""In the child: what sessions need of it."""


def until(fact: Callable[[], Any], what: str = "") -> Any:
    """Wait for `fact` to be true; its value."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if value := fact():
            return value
        select.select([], [], [], 0.001)
    raise AssertionError(f"never became true: {what or fact}")


def note(text: str) -> None:
    """Tell the test."""
    os.write(INSIDE["notes"], f"{text}\n".encode())


class Scripted(Session[str]):
    """Does what a line says; tells its life in notes."""

    framer = Lines(limit=200)

    def opened(self) -> None:
        note(f"opened {self.conn.listener}")

    def received(self, line: str, /) -> None:
        word, _, rest = line.partition(" ")
        getattr(self, f"do_{word}")(rest)

    def eof(self) -> None:
        note("eof")
        super().eof()

    def draining(self, seconds_left: float, /) -> None:
        note(f"draining {seconds_left:.0f}")

    def closed(self, exc: BaseException | None, /) -> None:
        note(f"closed {type(exc).__name__}")

    def do_echo(self, rest: str) -> None:
        self.send(rest)

    def do_names(self, _rest: str) -> None:
        self.send(f"{self.conn.peer} {self.conn.local} {self.conn.listener}")

    def do_raise(self, rest: str) -> None:
        self.send("last words")
        raise ValueError(rest)

    def do_close(self, _rest: str) -> None:
        self.send("bye")
        self.close()
        self.send("never sent")

    def do_abort(self, _rest: str) -> None:
        self.conn.abort()

    def do_exit(self, rest: str) -> None:
        sys.exit(int(rest))

    def do_block(self, _rest: str) -> None:
        note("blocked")
        os.read(INSIDE["latch"], 1)

    def do_pour(self, rest: str) -> None:
        for number in range(int(rest)):
            self.send(f"{number:01000}")

    def do_later(self, rest: str) -> None:
        seconds, _, text = rest.partition(" ")
        self.conn.call_later(float(seconds), self.say, text)

    def do_cancel(self, _rest: str) -> None:
        self.conn.call_later(0, self.say, "cancelled").cancel()
        self.conn.call_later(0, self.say, "made")

    def say(self, text: str) -> None:
        if text == "raise":
            raise ValueError("in call_later")
        self.send(text)


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=256)


def _allow_files(count: int) -> None:
    """So many descriptors more than the loop has already."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1 + count, 10_000))


class Worker:
    """The master's side of one worker."""

    def __init__(self, make: Callable[[], Session[Any]] | App, options: dict[str, Any]) -> None:
        self.sockets: list[socket.socket] = []
        self.listeners = options.pop("listeners", None) or [_listener()]
        self.channel, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(DEADLINE_S)
        self.slot = memoryview(mmap.mmap(-1, wire.SLOT_BYTES)).cast("Q")
        self.notes, notes = os.pipe()
        latch, self._latch = os.pipe()
        self._log = os.memfd_create("log")
        self._text = b""
        self._status: int | None = None
        self.slot[wire.WANTED] = options.pop("wanted", 0)
        ready = options.pop("ready", True)
        self.slot[wire.MAX_SERVED] = options.pop("max_served", 0)
        self.pid = os.fork()
        if self.pid == 0:
            INSIDE.update(notes=notes, latch=latch)
            for each in (self.channel, *self.sockets):
                each.close()
            self._live(inner, make if isinstance(make, App) else App(make), options)
        for fd in (notes, latch):
            os.close(fd)
        inner.close()
        assert not ready or self.hear() == wire.Ready()

    def _live(self, channel: socket.socket, app: App, options: dict[str, Any]) -> None:
        code = 70
        try:
            signal.alarm(0)
            handler = logging.StreamHandler(os.fdopen(self._log, "w"))
            logger = logging.getLogger("prefork")
            logger.handlers = [handler]
            logger.propagate = False
            files = options.pop("files", None)
            settings = {
                "worker": 1,
                "name": "test",
                "max_sessions": 0,
                "heartbeat_interval_ns": 3_600_000 * MS,
                "heartbeat_timeout_ns": 30_000 * MS,
                "drain_timeout_ns": 30_000 * MS,
            }
            tether = Tether(channel, self.slot, WorkerSettings(**{**settings, **options}))
            if files is not None:
                app = App(app.handler, started=lambda _: _allow_files(files))
            backend = load_backend(os.environ.get("B", "selectors"))
            given = {"loop": os.environ["L"]} if "L" in os.environ else {}
            backend.run(tether, self.listeners, app, make_options(backend, given))
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:
            logging.getLogger("prefork").exception("the worker failed")
        finally:
            os._exit(code)

    # -- clients ---------------------------------------------------------------------------------------------------

    def connect(self, *, at: int = 0, opened: bool = True) -> Client:
        listener = self.listeners[at]
        connection = socket.socket(listener.family)
        connection.settimeout(DEADLINE_S)
        connection.connect(listener.getsockname())
        self.sockets.append(connection)
        if opened:
            self.noted(f"opened {address(listener.getsockname())}")
        return Client(connection)

    # -- the master's words ----------------------------------------------------------------------------------------

    def want(self, bits: int, *, by: int = 0, ring: bool = True) -> None:
        self.slot[wire.DRAIN_BY] = by
        self.slot[wire.WANTED] = bits
        if ring:
            self.channel.send(wire.pack(wire.Bell()))

    def acts_on(self, bits: int) -> None:
        until(lambda: self.slot[wire.ACTUAL] == bits, f"ACTUAL == {bits}, it is {self.slot[wire.ACTUAL]}")

    def hear(self) -> wire.Record | None:
        """The next record that isn't a doorbell; None at the end of the channel."""
        while True:
            raw = self.channel.recv(wire.MAX_RECORD)
            record = wire.unpack(raw) if raw else None
            if not isinstance(record, wire.Bell):
                return record

    @property
    def sessions(self) -> int:
        return self.slot[wire.ACCEPTED] - self.slot[wire.CLOSED]

    def ends(self, count: int) -> None:
        until(lambda: self.slot[wire.CLOSED] == count, f"{count} sessions over")

    def holds(self, count: int) -> None:
        until(lambda: self.sessions == count, f"{count} sessions, it holds {self.sessions}")

    # -- what the child tells --------------------------------------------------------------------------------------

    def noted(self, text: str) -> None:
        """The next note is `text`."""
        while b"\n" not in self._text:
            ready, _, _ = select.select([self.notes], [], [], DEADLINE_S)
            assert ready, f"no note, expected {text!r}"
            more = os.read(self.notes, 65536)
            assert more, f"the worker is gone, expected {text!r}; log: {self.log}"
            self._text += more
        line, self._text = self._text.split(b"\n", 1)
        assert line.decode() == text

    def no_more_notes(self) -> None:
        assert self._text == b""
        assert not select.select([self.notes], [], [], 0)[0] or os.read(self.notes, 65536) == b""

    def unlatch(self) -> None:
        os.write(self._latch, b"x")

    @property
    def log(self) -> list[str]:
        """Log lines that begin a record."""
        text = os.pread(self._log, 1 << 20, 0).decode()
        return [line for line in text.splitlines() if line and not line.startswith((" ", "Traceback", "ValueError"))]

    def ended(self) -> int:
        """The exit code, negative for a signal, once it has ended."""
        if self._status is None:
            until(lambda: os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG), f"exit; {self.log}")
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def close(self) -> None:
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for each in (self.channel, *self.sockets, *self.listeners):
            each.close()
        for fd in (self.notes, self._latch, self._log):
            os.close(fd)


class Client:
    """One peer of the worker."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._text = b""

    def say(self, text: str) -> None:
        self.socket.sendall(f"{text}\n".encode())

    def hears(self, text: str) -> None:
        while b"\n" not in self._text:
            more = self.socket.recv(65536)
            assert more, f"end of connection, expected {text!r}"
            self._text += more
        line, self._text = self._text.split(b"\n", 1)
        assert line.decode() == text

    def echoes(self) -> None:
        """It is served: what was sent before to others has been seen by then."""
        for _ in range(2):
            self.say("echo hello")
            self.hears("hello")

    def is_over(self) -> None:
        """The peer closed, and nothing more was sent."""
        assert self._text + self.socket.recv(65536) == b""

    def is_reset(self) -> None:
        with pytest.raises(ConnectionResetError):
            self.socket.recv(65536)


@pytest.fixture
def start() -> Iterator[Callable[..., Worker]]:
    """Start a worker: `start(max_sessions=1)`; Scripted unless `make` is given."""
    workers: list[Worker] = []

    def start_one(make: Callable[[], Session[Any]] | App = Scripted, **options: Any) -> Worker:
        workers.append(Worker(make, options))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.close()
