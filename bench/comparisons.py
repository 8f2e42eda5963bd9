"""Every comparison of the table: what is loaded, on which loop, against whom, and the least that is asked."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import nginx
from bench.apps import EchoLines, EchoStream
from bench.asyncio_apps import Echo, echo_stream
from bench.loads import CONNECTIONS, ECHOES, HELLOS, Programs
from bench.pairs import Comparison, Peer
from bench.servers import LOOPS, Served, free_port, module, prefork, program
from prefork.config import JournalConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.pairs import Start

IDLE = 10_000
_SHADOW = "[pool]\nmax_workers = 9\n[pool.sizing]\nkind = 'demand'\n"
_HELLO = "bench.asyncio_apps:hello"


def comparisons(programs: Programs) -> Iterator[Comparison]:
    """All of them, in the order of the table."""
    yield from _echoes(programs)
    yield from _asyncio_code()
    yield from _coroutines()
    yield from _connections(programs)
    yield from _threads()
    yield from _idle(programs)
    yield _hellos()
    yield _journals()


def _echoes(programs: Programs) -> Iterator[Comparison]:
    """One pinned worker, 64 connections."""
    ours, limit = partial(prefork, EchoStream), partial(programs.c_echo)
    peers = (
        Peer("C epoll", limit, 0.75),
        Peer("an epoll loop in Python", _raw("epoll"), 0.92),
        Peer("gevent", _raw("gevent")),
        Peer("Twisted", _raw("twisted")),
    )
    yield Comparison("stream", "echo, selectors, Session with Stream", ours, peers, ECHOES)
    lines = partial(prefork, EchoLines)
    yield Comparison("lines", "echo, selectors, Session with Lines", lines, (Peer("C epoll", limit, 0.65),), ECHOES)


def _asyncio_code() -> Iterator[Comparison]:
    for loop, session in (("asyncio", 0.90), ("uvloop", None)):
        peer = Peer(f"the same raw on {loop}", _raw(loop), 0.97)
        ours = partial(prefork, Echo, **LOOPS[loop])
        yield Comparison(f"protocol-{loop}", f"echo, {loop}, asyncio.Protocol", ours, (peer,), ECHOES)
        raw = (Peer(f"a raw asyncio.Protocol on {loop}", _raw(loop), session),)
        ours = partial(prefork, EchoStream, **LOOPS[loop])
        yield Comparison(f"session-{loop}", f"echo, {loop}, Session with Stream", ours, raw, ECHOES)
        streams = (Peer(f"asyncio.start_server on {loop}", _raw(f"{loop}-streams")),)
        ours = partial(prefork, echo_stream, **LOOPS[loop])
        yield Comparison(f"streams-{loop}", f"echo, {loop}, handler of asyncio streams", ours, streams, ECHOES)


def _coroutines() -> Iterator[Comparison]:
    for loop, settings in LOOPS.items():
        ours = partial(prefork, "bench.apps:coroutine_stream", **settings)
        session = (Peer("a Session", partial(prefork, EchoStream, **settings), 0.80),)
        yield Comparison(f"coroutine-{loop}", f"echo, {loop}, portable coroutine", ours, session, ECHOES)


def _connections(programs: Programs) -> Iterator[Comparison]:
    """Two workers each, 64 connections at a time."""
    for loop, peer in (
        ("selectors", Peer("C epoll", partial(programs.c_echo, 2), 0.90)),
        ("uvloop", Peer("raw uvloop", _raw("uvloop", 2), 0.90)),
    ):
        ours = partial(prefork, EchoStream, 2, **LOOPS[loop])
        yield Comparison(
            f"connect-{loop}", f"connection, {loop}, two workers", ours, (peer,), CONNECTIONS, pinned=False
        )


def _threads() -> Iterator[Comparison]:
    ours = partial(prefork, EchoStream, **LOOPS["threads"])
    for name, figure, load, least in (
        ("threads-echo", "echo, threads, Session with Stream", ECHOES, 0.95),
        ("threads-connect", "connection, threads", CONNECTIONS, 2.5),
    ):
        yield Comparison(name, figure, ours, (Peer("ThreadingMixIn", _raw("threading"), least),), load)


def _idle(programs: Programs) -> Iterator[Comparison]:
    for loop in ("selectors", "asyncio", "uvloop"):
        alone = partial(prefork, EchoStream, **LOOPS[loop])
        peer = (Peer("none idle", alone, 0.95),)
        crowded = partial(_crowded, programs, alone)
        yield Comparison(f"idle-{loop}", f"echo, {loop}, {IDLE:,} others idle", crowded, peer, ECHOES)


@contextmanager
def _crowded(programs: Programs, start: Start) -> Iterator[Served]:
    with start() as server, programs.held(server, IDLE):
        yield server


def _hellos() -> Comparison:
    """Two workers each; the app is the same but for nginx, which has none."""
    ours = partial(prefork, _HELLO, 2, backend="asyncio")
    peers = (
        Peer("uvicorn", _python("uvicorn", _HELLO, "--workers=2", "--no-access-log", "--port={port}"), 1.00),
        Peer("granian", _python("granian", _HELLO, "--interface=asgi", "--workers=2", "--port={port}")),
        Peer("hypercorn -k uvloop", _python("hypercorn", _HELLO, "-w2", "-kuvloop", "-b127.0.0.1:{port}")),
        Peer("gunicorn -k asgi, its fastest", _python("gunicorn", _HELLO, "-w2", "-kasgi", "-b127.0.0.1:{port}")),
        Peer("nginx", _nginx),
    )
    return Comparison("asgi", "ASGI hello, two workers", ours, peers, HELLOS, pinned=False)


def _journals() -> Comparison:
    """What a pool's journal costs its connections, the scribe counted: here more than 1 is what it costs."""
    ours, figure = partial(prefork, EchoStream, 2), "connection, selectors, two workers, no journal"
    peers = (
        Peer("one with a journal", _journaled),
        Peer("one with a journal and a shadow", partial(_journaled, _SHADOW)),
    )
    return Comparison("journal", figure, ours, peers, CONNECTIONS, pinned=False)


@contextmanager
def _journaled(shadow: str | None = None) -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder:
        config: dict[str, Any] = {"journal": JournalConfig(path=Path(folder) / "journal")}
        if shadow:
            candidate = Path(folder) / "candidate.toml"
            candidate.write_text(shadow, encoding="utf-8")
            config["shadow"] = str(candidate)
        with prefork(EchoStream, 2, **config) as server:
            yield server


def _raw(kind: str, workers: int = 1) -> Start:
    needs = {"gevent": "gevent", "twisted": "twisted"}.get(kind)

    def start() -> Iterator[Served]:
        if needs:
            module(needs)
        with program(module("bench.peers", kind, "{port}", str(workers)), workers) as server:
            yield server

    return contextmanager(start)


def _python(name: str, *words: str) -> Start:
    def start() -> Iterator[Served]:
        with program(module(name, *words), 2) as server:
            yield server

    return contextmanager(start)


@contextmanager
def _nginx() -> Iterator[Served]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, program(nginx.command(Path(folder), port), 2, port=port) as server:
        yield server
