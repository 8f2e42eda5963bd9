"""The servers that are measured, each as a context: the C program that marks the limit, and prefork.

What a server costs is read from /proc/PID/task/*/schedstat of its serving processes: rates vary by a quarter from run
to run on two shared cores, CPU a request by a few percent.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork import PoolConfig
from prefork.testing import running

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


class Served(NamedTuple):
    """A server that runs: its port, and the pids that serve."""

    port: int
    pids: tuple[int, ...]

    def cpu_ns(self) -> int:
        """CPU time that the serving processes have burnt so far."""
        threads = [each for pid in self.pids for each in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(each.read_text(encoding="ascii").split()[0]) for each in threads)


class Load(NamedTuple):
    """What loadgen.c said, and what the server's CPU took for each."""

    per_second: float
    p99_ms: float
    failures: int
    cpu_us: float


def build(folder: Path) -> None:
    """Compile the two C programs into `folder`."""
    for name in ("loadgen", "echo_limit"):
        subprocess.run(["gcc", "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")], check=True)


def load(folder: Path, server: Served, mode: str, connections: int, seconds: float) -> Load:
    """Run loadgen against a server."""
    before = server.cpu_ns()
    argv = [str(folder / "loadgen"), mode, "127.0.0.1", str(server.port), str(connections), str(seconds)]
    said = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    spent = server.cpu_ns() - before
    requests = said["rps"] * (seconds + 0.3)  # the load begins 0.3 s before the counting
    return Load(said["rps"], said["p99"], said["fails"], spent / requests / 1000 if requests else 0.0)


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def c_limit(folder: Path, workers: int) -> Iterator[Served]:
    """Serve with echo_limit.c."""
    port = free_port()
    process = subprocess.Popen([str(folder / "echo_limit"), str(port), str(workers)])
    try:
        _await_port(port)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        _pin([int(pid) for pid in children])
        yield Served(port, tuple(int(pid) for pid in children))
    finally:
        process.send_signal(signal.SIGKILL)  # its children get PDEATHSIG
        process.wait()


@contextmanager
def prefork(app: object, workers: int, **config: Any) -> Iterator[Served]:  # noqa: ANN401 - as prefork.serve
    """Serve `app` with a static pool, on the selectors loop unless `config` says another."""
    pool_config = PoolConfig.model_validate({"sizing": {"kind": "static", "workers": workers}})
    with running(app, pool=pool_config, **config) as pool:
        pids = list(pool.worker_pids().values())
        _pin(pids)
        yield Served(pool.address[1], tuple(pids))


@contextmanager
def peer(argv: list[str], workers: int) -> Iterator[Served]:
    """Serve with a program of a peer's, given a port for `{port}`; it serves itself, or in `workers` children."""
    port = free_port()
    process = subprocess.Popen([each.format(port=port) for each in argv], stderr=subprocess.DEVNULL, cwd=HERE)
    try:
        _await_port(port)
        children = [] if workers == 0 else _children(process.pid, workers)
        _pin(children or [process.pid])
        yield Served(port, tuple(children or [process.pid]))
    finally:
        process.terminate()
        process.wait()


def _children(pid: int, workers: int) -> list[int]:
    """Those that serve, when all have begun: a child that only tracks resources has no socket."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        serving = [int(each) for each in tasks if _listens(int(each))]
        if len(serving) >= workers:
            return serving
        time.sleep(0.05)
    raise TimeoutError(f"{pid} has not {workers} serving children")


def _listens(pid: int) -> bool:
    links = (os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir())
    return any(link.startswith("anon_inode:[eventpoll") for link in links)


def _pin(pids: list[int]) -> None:
    """One worker on the last core, alone; several where they like."""
    if len(pids) == 1:
        os.sched_setaffinity(pids[0], {max(os.sched_getaffinity(0))})


def _await_port(port: int) -> None:
    until = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
        else:
            return
