"""The servers that are measured, each as a context: prefork, and every other as a program."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork import PoolConfig
from prefork.testing import running

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LOOPS: dict[str, dict[str, Any]] = {
    "selectors": {"backend": "selectors"},
    "asyncio": {"backend": "asyncio", "backends": {"asyncio": {"loop": "asyncio"}}},
    "uvloop": {"backend": "asyncio", "backends": {"asyncio": {"loop": "uvloop"}}},
    "threads": {"backend": "threads"},
    "trio": {"backend": "trio"},
    "gevent": {"backend": "gevent"},
}
"""What tells prefork to serve on each."""
_START_S = 15.0


class Missing(Exception):  # noqa: N818 - no error: a row says what is not there
    """A peer can't be had on this machine; one line."""


class Failed(Exception):  # noqa: N818 - likewise
    """A server or a load did not do what it should; one line."""


class Served(NamedTuple):
    """A server that runs: its port, and its processes."""

    port: int
    pids: tuple[int, ...]

    def cpu_ns(self) -> int:
        """CPU time of its processes so far, threads that have ended included."""
        return sum(cpu_ns(pid) for pid in self.pids)


def cpu_ns(pid: int) -> int:
    """The process's own clock: the sum of its threads' schedstat, and of those that are no more."""
    return time.clock_gettime_ns(~pid << 3 | 2)


@contextmanager
def prefork(app: object, workers: int = 1, **config: Any) -> Iterator[Served]:  # noqa: ANN401 - as prefork.serve
    """Serve `app` with a static pool, on the selectors loop unless `config` says another; one worker is pinned."""
    pool_config = PoolConfig.model_validate({"sizing": {"kind": "static", "workers": workers}})
    with running(app, pool=pool_config, **config) as pool:
        if workers == 1:
            pin(*pool.worker_pids().values())
        yield Served(pool.address[1], tuple(descent(pool.pid)))


@contextmanager
def program(argv: list[str], workers: int = 1, *, port: int | None = None) -> Iterator[Served]:
    """Serve with a program, given a port for `{port}`: one process, which is pinned, or one with so many children.

    Raises Missing where the program isn't there or doesn't start.
    """
    if not shutil.which(argv[0]):
        raise Missing(f"{argv[0]} is not here")
    port = port or free_port()
    with tempfile.TemporaryFile("w+") as said:
        words = [each.format(port=port) for each in argv]
        process = subprocess.Popen(words, stdout=said, stderr=said, cwd=ROOT)
        try:
            if not _serves(process, port, workers):
                said.seek(0)
                lines = said.read().split("\n")
                raise Missing(f"{' '.join(words)} does not serve: {lines[-2] if len(lines) > 1 else 'it says nothing'}")
            if workers == 1:
                pin(process.pid)
            yield Served(port, tuple(descent(process.pid)))
        finally:
            _end(process)


def module(name: str, *words: str) -> list[str]:
    """The command that runs a module of this Python. Raises Missing."""
    if not importlib.util.find_spec(name):
        raise Missing(f"{name} is not installed (make bench installs it)")
    return [sys.executable, "-m", name, *words]


def descent(pid: int) -> list[int]:
    """The process, and all that descend from it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text(encoding="ascii").split())
    return found


def pin(pid: int) -> None:
    """All threads of the process run on the last core from now on, and what they start."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {max(os.sched_getaffinity(0))})


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _serves(process: subprocess.Popen[bytes], port: int, workers: int) -> bool:
    """Whether it accepts, and all workers have an epoll: a child that only tracks resources has none."""
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            children = descent(process.pid)[1:]
            if workers == 1 or sum(map(_has_epoll, children)) >= workers:
                return True
        time.sleep(0.02)
    return False


def _has_epoll(pid: int) -> bool:
    with suppress(OSError):
        return any(os.readlink(each).startswith("anon_inode:[eventpoll") for each in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """TERM, and after a while KILL, to the process and to what it has left behind."""
    family = descent(process.pid)
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family[1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
