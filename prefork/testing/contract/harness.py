"""A backend's loop in a forked child, over a real channel, slot and listener; the test plays the master.

Theory. The backend is loaded in the test's process, as a mold loads it, and `run` is called in a child. Everything is a
fact that is waited for: a word of the slot, a record of the channel, a note, a line of the log, an exit code.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import mmap
import os
import resource
import select
import signal
import socket
import textwrap
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from prefork import wire
from prefork.app.app import App
from prefork.backends.options import adopt, make_options, prepare
from prefork.backends.preface import address
from prefork.backends.registry import load_backend
from prefork.backends.tether import Tether, WorkerSettings
from prefork.testing.contract import waiting
from prefork.testing.contract.client import Client, dial, listen
from prefork.testing.contract.scripted import INSIDE, Scripted
from prefork.testing.contract.tls_client import TlsSocket, certificates
from prefork.testing.contract.waiting import until
from prefork.tls_context import open_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from ssl import SSLContext
    from typing import Self

    from prefork.app.session import Session
    from prefork.testing.contract.client import Socket
    from prefork.tls import TlsSettings

MS = 1_000_000
_FAILED = 70
_NEVER_MS = 3_600_000
_load = cache(load_backend)


class Conditions(TypedDict, total=False):
    """How a worker starts, where not as usual."""

    listeners: Sequence[socket.socket]
    """Instead of one on a free port."""
    wanted: int
    """In the slot before it is born."""
    ready: bool
    """False: don't wait for READY."""
    max_served: int
    """In the slot before it is born."""
    files: int
    """So many descriptors more than the loop has when it starts."""
    max_sessions: int
    heartbeat_interval_ns: int
    heartbeat_timeout_ns: int
    drain_timeout_ns: int
    tls: TlsSettings | None
    """At all of its listeners."""


def _allow_files(count: int) -> None:
    """Let this process open so many descriptors more than it has."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1 + count, 10_000))


class Workers:
    """Starts workers of one loop: `start(Session, max_sessions=1)`; Scripted unless another kind is given."""

    def __init__(
        self,
        backend: str,
        options: Mapping[str, Any],
        usual: Callable[[], Session[Any]] | App = Scripted,
        *,
        tls: TlsSettings | None = None,
    ) -> None:
        """`usual`: what is served where a test doesn't say; `tls`: unless a worker's conditions say another.

        Raises ConfigError for an unknown backend or options.
        """
        self._usual = usual
        self._backend = _load(backend)
        self._options = make_options(self._backend, options)
        self._tls = tls
        self._workers: list[Worker] = []

    def __call__(
        self, make: Callable[[], Session[Any]] | App | None = None, **conditions: Unpack[Conditions]
    ) -> Worker:
        """One more, which is READY."""
        make = make or self._usual
        app = make if isinstance(make, App) else App(make, style="session")
        conditions.setdefault("tls", self._tls)
        self._workers.append(worker := Worker(self._run, app, conditions))
        if conditions.get("ready", True):
            assert worker.hear() == wire.Ready(), worker.log
        return worker

    def _run(self, tether: Callable[[], Tether], listeners: Sequence[socket.socket], app: App) -> None:
        prepare(self._backend, self._options)
        adopt(self._backend, app, self._options)
        self._backend.run(tether(), listeners, app, self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.close()


class Worker:
    """The master's side of one worker."""

    def __init__(self, run: Callable[..., None], app: App, conditions: Conditions) -> None:
        self.listeners = list(conditions.get("listeners", ())) or [listen()]
        self.channel, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(waiting.DEADLINE_S)
        self.slot = memoryview(mmap.mmap(-1, wire.SLOT_BYTES)).cast("Q")
        self.slot[wire.WANTED] = conditions.get("wanted", 0)
        self.slot[wire.MAX_SERVED] = conditions.get("max_served", 0)
        self.notes, notes = os.pipe()
        latch, self._latch = os.pipe()
        self._log = os.memfd_create("log")
        self._tls = conditions["tls"] is not None
        self._dialled: list[socket.socket] = []
        self._text = b""
        self._status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            INSIDE.notes, INSIDE.latch = notes, latch
            self.channel.close()
            self._live(run, inner, app, conditions)
        for fd in (notes, latch):
            os.close(fd)
        inner.close()

    # -- in the child --------------------------------------------------------------------------------------------------

    def _live(self, run: Callable[..., None], channel: socket.socket, app: App, conditions: Conditions) -> None:
        code = _FAILED
        try:
            gc.freeze()
            self._log_to_test()
            if (files := conditions.get("files")) is not None:
                app = App(app.handler, style=app.style, started=lambda _: _allow_files(files))
            run(lambda: Tether(channel, self.slot, _settings(conditions, self.listeners)), self.listeners, app)
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:
            logging.getLogger("prefork").exception("the worker failed")
        finally:
            os._exit(code)

    def _log_to_test(self) -> None:
        logger = logging.getLogger("prefork")
        handler = logging.StreamHandler(os.fdopen(self._log, "w"))
        handler.setFormatter(_Indented())
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logging.getLogger().handlers = []  # a worker has none, and a test runner may

    # -- clients -------------------------------------------------------------------------------------------------------

    def dial(self, *, at: int = 0) -> socket.socket:
        """A new peer's bare connection to the listener `at`."""
        connection = dial(self.listeners[at])
        self._dialled.append(connection)
        return connection

    def connect(self, *, at: int = 0, opened: bool = True, context: SSLContext | None = None) -> Client:
        """A new peer, of the listener `at`. `opened`: wait for the note of a Scripted session; `context`: its TLS."""
        bare = self.dial(at=at)
        connection: Socket = bare
        if self._tls:
            connection = TlsSocket(bare, context or certificates().client).shake_hands()
        if opened:
            self.noted(f"opened {address(self.listeners[at].getsockname())}")
        return Client(connection)

    # -- the master's words --------------------------------------------------------------------------------------------

    def want(self, bits: int, *, by: int = 0, ring: bool = True) -> None:
        """Write WANTED and DRAIN_BY, and ring."""
        self.slot[wire.DRAIN_BY] = by
        self.slot[wire.WANTED] = bits
        if ring:
            self.ring()

    def ring(self) -> None:
        """Send a doorbell."""
        self.channel.send(wire.pack(wire.Bell()))

    def acts_on(self, bits: int) -> None:
        """ACTUAL says that it does what is wanted."""
        until(lambda: self.slot[wire.ACTUAL] == bits, lambda: f"ACTUAL == {bits}, it is {self.slot[wire.ACTUAL]}")

    def hear(self) -> wire.Record | None:
        """The next record that isn't a doorbell; None at the end of the channel."""
        while True:
            raw = self.channel.recv(wire.MAX_RECORD)
            record = wire.unpack(raw) if raw else None
            if not isinstance(record, wire.Bell):
                return record

    def rings(self) -> None:
        """The next record is a doorbell."""
        assert wire.unpack(self.channel.recv(wire.MAX_RECORD)) == wire.Bell()

    # -- figures -------------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> int:
        """How many it holds, says its slot."""
        return self.slot[wire.ACCEPTED] - self.slot[wire.CLOSED]

    def holds(self, count: int) -> None:
        """It holds so many sessions."""
        until(lambda: self.sessions == count, lambda: f"{count} sessions; it holds {self.sessions}")

    def ends(self, count: int) -> None:
        """So many sessions are over."""
        until(lambda: self.slot[wire.CLOSED] == count, lambda: f"{count} sessions over; {self.slot[wire.CLOSED]} are")

    def rests(self) -> None:
        """It waits, having served all that came."""
        until(lambda: self.slot[wire.TURN_AT] == 0, "TURN_AT == 0")

    @property
    def cpu_ns(self) -> int:
        """What its threads have used, says the kernel."""
        return sum(int(text.split()[0]) for text in self._of_threads("schedstat"))

    @property
    def sleeps(self) -> int:
        """How often its threads have begun to wait."""
        lines = [line for text in self._of_threads("status") for line in text.splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))

    @property
    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def threads(self) -> int:
        """How many it has."""
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def _of_threads(self, name: str) -> Iterator[str]:
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield (task / name).read_text()

    # -- what the child tells ------------------------------------------------------------------------------------------

    def note(self) -> str:
        """The next note."""
        while b"\n" not in self._text:
            ready, _, _ = select.select([self.notes], [], [], waiting.DEADLINE_S)
            assert ready, f"no note came; log: {self.log}"
            more = os.read(self.notes, 65536)
            assert more, f"the worker is gone without a note; log: {self.log}"
            self._text += more
        line, self._text = self._text.split(b"\n", 1)
        return line.decode()

    def noted(self, *texts: str) -> None:
        """The next notes are `texts`, in any order."""
        assert sorted(self.note() for _ in texts) == sorted(texts)

    def no_more_notes(self) -> None:
        """There is no note that wasn't read; what came before has been served."""
        assert self._text == b""
        assert not select.select([self.notes], [], [], 0)[0] or os.read(self.notes, 65536) == b""

    @property
    def log(self) -> list[str]:
        """Log lines that begin a record."""
        return [line for line in self.whole_log.splitlines() if line and not line.startswith(" ")]

    @property
    def whole_log(self) -> str:
        """All of it, tracebacks included."""
        return os.pread(self._log, 1 << 20, 0).decode()

    # -- its life ------------------------------------------------------------------------------------------------------

    def unlatch(self) -> None:
        """Let go one that blocks."""
        os.write(self._latch, b"x")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It doesn't run until the block ends; what happens in it meets one turn."""
        state = Path(f"/proc/{self.pid}/stat")
        os.kill(self.pid, signal.SIGSTOP)
        until(lambda: ") T " in state.read_text(), "stopped")
        yield
        os.kill(self.pid, signal.SIGCONT)

    def ended(self) -> int:
        """The exit code, negative for a signal, once it has ended."""
        if self._status is None:
            until(
                lambda: os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG), lambda: f"exit; {self.log}"
            )
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def close(self) -> None:
        """End it, and close the test's ends."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for each in (self.channel, *self._dialled, *self.listeners):
            each.close()
        for fd in (self.notes, self._latch, self._log):
            os.close(fd)


class _Indented(logging.Formatter):
    """Tracebacks stand below their line, whatever they consist of."""

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - as logging's
        return textwrap.indent(super().formatException(ei), "    ")


def _settings(conditions: Conditions, listeners: Sequence[socket.socket]) -> WorkerSettings:
    """By default nothing happens by time alone."""
    tls = conditions["tls"]
    return WorkerSettings(
        worker=1,
        name="test",
        max_sessions=conditions.get("max_sessions", 0),
        heartbeat_interval_ns=conditions.get("heartbeat_interval_ns", _NEVER_MS * MS),
        heartbeat_timeout_ns=conditions.get("heartbeat_timeout_ns", 30_000 * MS),
        drain_timeout_ns=conditions.get("drain_timeout_ns", 30_000 * MS),
        tls={} if tls is None else {each.getsockname(): open_tls("here", tls) for each in listeners},
    )
