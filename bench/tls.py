"""What an echo costs the server, plain and over TLS, on prefork and on asyncio's own SSL: CPU each, interleaved.

    python -m bench.tls --pairs 3 --seconds 2

The client is a Python loop, slower than the servers: rates say nothing, CPU of the serving process does. It speaks on
all of its connections before it listens on any, so that a server has some of them at once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import ssl
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import trustme

from bench.apps import EchoStream
from bench.servers import Served, free_port
from prefork import PoolConfig
from prefork.mold.linux import die_with_parent
from prefork.testing import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

CONNECTIONS = 32
SIZES = {"64 B": 64, "64 KiB": 64 * 1024}


class AsyncioEcho(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@contextmanager
def on_prefork(backend: dict[str, Any], tls: dict[str, str] | None) -> Iterator[Served]:
    """One worker."""
    listen = {"url": "tcp://127.0.0.1:0"} | ({} if tls is None else {"tls": tls})
    config = PoolConfig.model_validate({"sizing": {"kind": "static", "workers": 1}})
    with running(EchoStream, listen=listen, pool=config, **backend) as pool:
        yield Served(pool.address[1], tuple(pool.worker_pids().values()))


@contextmanager
def on_asyncio(uvloop: bool, pem: Path | None) -> Iterator[Served]:
    """One process with a server of the loop's own."""
    port = free_port()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            die_with_parent(signal.SIGKILL)
            run = asyncio.run
            if uvloop:
                import uvloop as loop  # noqa: PLC0415

                run = loop.run
            run(_serve(port, pem, writing))
        finally:
            os._exit(1)
    os.read(reading, 1)
    try:
        yield Served(port, (pid,))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)


async def _serve(port: int, pem: Path | None, ready: int) -> None:
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    await asyncio.get_running_loop().create_server(AsyncioEcho, "127.0.0.1", port, ssl=context)
    os.write(ready, b"x")
    await asyncio.Event().wait()


def cpu_us(server: Served, context: ssl.SSLContext | None, size: int, seconds: float) -> float:
    """CPU time of the server for each echo of `size` bytes."""
    clients = [_dial(server.port, context) for _ in range(CONNECTIONS)]
    text = bytes(size)
    _round(clients, text)
    before, count, until = server.cpu_ns(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        _round(clients, text)
        count += CONNECTIONS
    spent = server.cpu_ns() - before
    for each in clients:
        each.close()
    return spent / count / 1000


def _dial(port: int, context: ssl.SSLContext | None) -> socket.socket:
    bare = socket.create_connection(("127.0.0.1", port), timeout=5)
    bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bare if context is None else context.wrap_socket(bare, server_hostname="localhost")


def _round(clients: list[socket.socket], text: bytes) -> None:
    for each in clients:
        each.sendall(text)
    for each in clients:
        left = len(text)
        while left:
            left -= len(each.recv(left))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        authority, pem = trustme.CA(), Path(folder) / "server.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        uvloop = {"backend": "asyncio", "backends": {"asyncio": {"loop": "uvloop"}}}
        loops: dict[str, Callable[[Path | None], AbstractContextManager[Served]]] = {
            "prefork selectors": lambda pem: on_prefork({}, _table(pem)),
            "prefork uvloop": lambda pem: on_prefork(uvloop, _table(pem)),
            "asyncio": partial(on_asyncio, False),
            "uvloop": partial(on_asyncio, True),
        }
        measure(loops, pem, context, asked)


def measure(
    loops: dict[str, Callable[[Path | None], AbstractContextManager[Served]]],
    pem: Path,
    context: ssl.SSLContext,
    asked: argparse.Namespace,
) -> None:
    """Each server after the other, `pairs` times; print medians."""
    found: dict[tuple[str, str, bool], list[float]] = {}
    for _ in range(asked.pairs):
        for name, serve in loops.items():
            for tls in (False, True):
                with serve(pem if tls else None) as server:
                    for size, count in SIZES.items():
                        each = cpu_us(server, context if tls else None, count, asked.seconds)
                        found.setdefault((name, size, tls), []).append(each)
    for size in SIZES:
        for name in loops:
            plain, sealed = (statistics.median(found[name, size, tls]) for tls in (False, True))
            print(f"{size:7} {name:18} plain {plain:7.1f} us, TLS {sealed:7.1f} us")
    sys.stdout.flush()


def _table(pem: Path | None) -> dict[str, str] | None:
    return None if pem is None else {"cert": str(pem)}


if __name__ == "__main__":
    main()
