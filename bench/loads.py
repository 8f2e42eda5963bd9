"""What a server is loaded with, always by loadgen.c: echoes, connections, requests of HTTP, sessions that are held."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.servers import Failed, Served, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

LINE = "a" * 46 + "z\n"
GET = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: loadgen\r\nAccept: */*\r\n\r\n"


class Load(NamedTuple):
    """What is asked, by how many connections at a time, and how often a second; 0 is as fast as it goes."""

    mode: str
    connections: int = 64
    request: str = LINE
    rate: int = 0


ECHOES = Load("echo")
CONNECTIONS = Load("connect")
HELLOS = Load("echo", request=GET)


class Told(NamedTuple):
    """What came of it."""

    per_second: float
    p99_ms: float
    failures: int
    cpu_us: float
    """Of the server's processes, for each request."""
    cores: float
    """The same, of the time that passed."""


class Programs(NamedTuple):
    """The C programs, compiled into a folder."""

    folder: Path

    @classmethod
    def build(cls, folder: Path) -> Programs:
        """Compile them."""
        for name in ("loadgen", "echo_limit"):
            source = Path(__file__).parent / f"{name}.c"
            subprocess.run(["gcc", "-O2", "-o", str(folder / name), str(source)], check=True)
        return cls(folder)

    def c_echo(self, workers: int = 1) -> AbstractContextManager[Served]:
        """The limit: an epoll loop in C, a child a worker."""
        return program([f"{self.folder}/echo_limit", "{port}", str(workers)], workers)

    def run(self, load: Load, server: Served, seconds: float, *, pinned: bool = False) -> Told:
        """Load a server for so long. Where that one is pinned to a core, the load leaves it alone."""
        begins, size = ("HTTP/1.1 200", _reply_bytes(server, load)) if load.request == GET else ("a", len(load.request))
        words = [load.mode, server.port, load.connections, seconds, load.rate, size, begins, load.request, *server.pids]
        argv = [f"{self.folder}/loadgen", *map(str, words)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            cores = os.sched_getaffinity(0)
            if pinned and len(cores) > 1:
                os.sched_setaffinity(process.pid, cores - {max(cores)})
            said = json.loads(process.communicate()[0] or "null")
        if not said:
            raise Failed(f"loadgen ended with {process.returncode}")
        requests, passed = said["requests"], said["seconds"]
        each = said["cpu_ns"] / requests / 1000 if requests else float("inf")
        return Told(requests / passed, said["p99_ms"], said["failures"], each, said["cpu_ns"] / 1e9 / passed)

    @contextmanager
    def held(self, server: Served, count: int) -> Iterator[None]:
        """So many sessions, each of which had one echo, and nothing since."""
        argv = [f"{self.folder}/loadgen", "hold", str(server.port), str(count)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            if process.stdout.readline() != "held\n":
                raise Failed(f"{count} sessions can't be held; is the limit of open files (ulimit -n) high enough?")
            yield


def _reply_bytes(server: Served, load: Load) -> int:
    """How long the answer to the request is, headers included."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(load.request.encode())
        got = b""
        while b"Hello, world!" not in got:
            if not (more := sock.recv(4096)):
                raise Failed(f"a server on port {server.port} says {got!r}")
            got += more
        return len(got)
