"""The mold: imports the app once, then forks a worker for each Fork record, until the master closes the channel.

Theory. It forks twice: the intermediate ends at once, so that the worker becomes the child of the nearest subreaper,
the master, which alone may reap it and signal it. Everything that was printed is flushed before a fork (else each
worker would print it again), and the garbage collector is frozen (else a child's first collection copies every page).
What it holds is put into huge pages, for a fork copies an entry for each page, and the second end of one gives it back.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import socket
import sys
from socket import socket as Socket  # noqa: N812 - the real one: the app may patch the module, as gevent does
from typing import TYPE_CHECKING, NamedTuple

from prefork import log, wire
from prefork.backends.options import adopt
from prefork.backends.registry import require_style
from prefork.errors import AppError, PreforkError
from prefork.mold import linux
from prefork.mold.importing import Imports, import_all
from prefork.mold.settings import MoldSettings
from prefork.mold.title import set_title
from prefork.mold.worker import Birth, be_worker
from prefork.tls import TlsSettings

if TYPE_CHECKING:
    from prefork.app.app import App
    from prefork.backends.contract import Backend
    from prefork.tls import ServerTls

_MAX_FDS = 253
"""SCM_MAX_FD: as many as one message carries."""


class Loaded(NamedTuple):
    """What a worker needs of the mold."""

    settings: MoldSettings
    app: App
    backend: Backend
    options: object
    listeners: list[socket.socket]
    tls: list[ServerTls | None]
    """Of each listener: they are bound, and have a name, only when the first mold is READY."""
    memory: int
    """The descriptor of the shared memory."""
    sink: log.Sink


class Mold:
    """One mold; `run` returns when the channel has ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._boot_s = 0.0
        """While a worker is being made: how long that may take."""

    def run(self) -> None:
        """Import, report, fork on demand."""
        _ignore_operator()
        os.register_at_fork(after_in_child=self._limit_boot)  # before the app's own hooks, for one of them may hang
        raw, fds = self._receive()
        if not raw:
            return
        loaded = self._load(raw, fds)
        if loaded is None:
            return
        gc.collect()
        gc.freeze()
        linux.collapse_memory()
        self._tell(wire.MoldReady(_resident()))
        while True:
            raw, fds = self._receive()
            if not raw:
                return
            self._fork(loaded, wire.unpack(raw), fds)

    def _receive(self) -> tuple[bytes, list[int]]:
        """A record and its descriptors, closed on exec; empty when the master has ended the channel."""
        try:
            raw, fds, _, _ = socket.recv_fds(self._channel, wire.MAX_RECORD, _MAX_FDS)
        except ConnectionResetError:  # it went with a record of ours unread
            return b"", []
        for fd in fds:
            os.set_inheritable(fd, False)
        return raw, fds

    def _tell(self, record: wire.Record) -> None:
        with contextlib.suppress(OSError):  # the master is gone: the next read says so
            self._channel.send(wire.pack(record))

    def _load(self, raw: bytes, fds: list[int]) -> Loaded | None:
        start = wire.unpack(raw)
        if not isinstance(start, wire.Start):
            raise wire.WireError(f"a mold is started by Start, not {type(start).__name__}")
        settings = MoldSettings(**start.settings)
        linux.die_with_parent(signal.SIGKILL)
        if os.getppid() != settings.master:
            return None
        set_title(settings.name, f"mold {settings.generation}")
        linux.limit_open_files(settings.open_files)
        memory, sink_fd, *listener_fds = fds
        sink = log.Sink(sink_fd)
        log.attach(sink, "mold")
        listeners = [Socket(fileno=fd) for fd in listener_fds]
        try:
            app, backend, options = import_all(
                Imports(settings.app, settings.backend, settings.options, settings.sys_path, settings.app_path)
            )
            require_style(app, settings.backend, backend)
            adopt(backend, app, options)
            tls = _open_tls(settings)
        except PreforkError as error:
            frames = error.frames if isinstance(error, AppError) else ""
            self._tell(wire.MoldFailed(str(error), frames))
            return None
        return Loaded(settings, app, backend, options, listeners, tls, memory, sink)

    def _fork(self, loaded: Loaded, record: wire.Record, fds: list[int]) -> None:
        if not isinstance(record, wire.Fork):
            raise wire.WireError(f"a mold takes Fork records, not {type(record).__name__}")
        channel_fd, dump = fds
        birth = Birth(record.worker, record.slot, Socket(fileno=channel_fd), dump)
        flush()
        self._boot_s = (loaded.settings.boot_timeout_ns + loaded.settings.drain_timeout_ns) / 1e9
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(wire.ForkFailed(record.worker, error.errno or 0))
            pid = -1
        if pid == 0:
            self._intermediate(loaded, birth)
        self._boot_s = 0.0
        birth.channel.close()
        os.close(dump)
        if pid > 0:
            with contextlib.suppress(ChildProcessError):  # the app ignores SIGCHLD: the kernel reaps
                os.waitpid(pid, 0)

    def _limit_boot(self) -> None:
        """Die (SIGALRM's default action) later than the master would have ended this birth, for it may be gone.

        The first beat re-arms the timer.
        """
        if self._boot_s:
            signal.setitimer(signal.ITIMER_REAL, self._boot_s)

    def _intermediate(self, loaded: Loaded, birth: Birth) -> None:
        """Fork the worker and end. Never returns: neither process may run the mold's loop."""
        try:
            me = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:
                self._tell(wire.ForkFailed(birth.worker, error.errno or 0))
                os._exit(1)
            if pid == 0:
                self._boot_s = 0.0
                self._channel.close()
                be_worker(loaded, birth, intermediate=me)
        finally:
            os._exit(0)


def _open_tls(settings: MoldSettings) -> list[ServerTls | None]:
    """Of each listener; after the app's import, for a loop may patch `ssl`. Raises ConfigError."""
    opened: list[ServerTls | None] = []
    for url, tls in zip(settings.listeners, settings.tls, strict=True):
        if tls is None:
            opened.append(None)
        else:
            import prefork.backends.handshake  # noqa: F401, PLC0415 - now, so that workers share its memory
            from prefork.tls_context import open_tls  # noqa: PLC0415 - `ssl` is for who uses it

            opened.append(open_tls(url, TlsSettings(**tls)))
    return opened


def _ignore_operator() -> None:
    """The master decides when a mold ends; a supervisor that signals the whole group means the master.

    Handlers that do nothing, not SIG_IGN: a program that the app starts would inherit that. A worker keeps them until
    its loop sets its own.
    """
    for signum in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGQUIT,
        signal.SIGTTIN,
        signal.SIGTTOU,
    ):
        signal.signal(signum, lambda *_: None)


def flush() -> None:
    """Print now what would otherwise be printed by each child again; a closed stdout is nobody's error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _resident() -> int:
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * mmap.PAGESIZE
