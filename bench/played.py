"""A load played on a real pool: the simulator's own arrivals, each a connection that asks to be held for so long.

The client is one asyncio loop in this process. Each connection is opened at its instant and says at once how long it
wants to be held; the handler answers after that time, by a timer, so that loops aren't busy. What it waited is the time
from connect to the answer, less the time that it asked for. How many workers there are is read from the list of the
master's children: a question to the master would wake it, and it would look.
"""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from prefork import Lines, PoolConfig, Session
from prefork.testing import running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.policy.model import PoolView
    from prefork.testing import LivePool

STEP_S = 0.01
"""Between two looks at how many workers there are."""
GRACE_S = 20.0
"""After the last arrival, for whoever is still held."""
_BATCH = 16


class Held(Session[str]):
    """Answers after as many seconds as it is told, then ends."""

    framer = Lines

    def received(self, seconds: str, /) -> None:
        self.conn.call_later(float(seconds), self.answer)

    def answer(self) -> None:
        self.send("")
        self.close()


class Answer(NamedTuple):
    """One connection; seconds."""

    late: float
    """How much later than planned it was opened."""
    wait: float
    """Infinite: it was refused, or cut off."""


class Played(NamedTuple):
    """What came of a load."""

    answers: list[Answer]
    workers: list[tuple[float, int]]
    """From when on how many processes; seconds since the start."""


class Births(NamedTuple):
    """What the simulator is told of births; seconds."""

    spawn_time: float
    """From one to the next of a batch: what the mold takes."""
    boot_time: float
    """What is left of one alone: what the worker takes."""


def play(config: PoolConfig, sessions: Sequence[tuple[int, int]], lasts: float) -> Played:
    """Play (instant, length) pairs in ns; workers are watched for `lasts` seconds."""
    with running(Held, pool=config) as pool:
        return asyncio.run(_play(pool, sessions, lasts))


def births() -> Births:
    """Measure them on a pool that starts with one, and on one that starts with a batch; medians of three."""
    alone, batch = median(_start(1) for _ in range(3)), median(_start(_BATCH) for _ in range(3))
    each = min(alone, (batch - alone) / (_BATCH - 1))
    return Births(each, alone - each)


def _start(workers: int) -> float:
    config = PoolConfig.model_validate({"sizing": {"kind": "static", "workers": workers}})
    with running(Held, pool=config) as pool:
        return _last_ready(pool.view())


def _last_ready(view: PoolView) -> float:
    first = min(worker.forked_at for worker in view.workers)
    return (max(worker.ready_at or 0 for worker in view.workers) - first) / 1e9


async def _play(pool: LivePool, sessions: Sequence[tuple[int, int]], lasts: float) -> Played:
    start = time.monotonic() + 0.2
    children = Path(f"/proc/{pool.pid}/task/{pool.pid}/children")
    molds = len(pool.status()["mold"])
    watch = asyncio.create_task(_watch(children, molds, start, lasts))
    clients = [asyncio.create_task(_client(pool.address, start + at / 1e9, ns / 1e9)) for at, ns in sessions]
    done, late = await asyncio.wait(clients, timeout=lasts + GRACE_S)
    for client in late:
        client.cancel()
    answers = [client.result() for client in done]
    return Played(answers + [Answer(0.0, float("inf"))] * len(late), await watch)


async def _watch(children: Path, molds: int, start: float, lasts: float) -> list[tuple[float, int]]:
    steps: list[tuple[float, int]] = []
    while (now := time.monotonic()) < start + lasts:
        workers = _children(children) - molds
        if not steps or steps[-1][1] != workers:
            steps.append((max(0.0, now - start), workers))
        await asyncio.sleep(STEP_S)
    return steps


def _children(file: Path) -> int:
    return len(file.read_text(encoding="ascii").split())


async def _client(address: tuple[str, int], at: float, length: float) -> Answer:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(at - time.monotonic())
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
            await loop.sock_sendall(sock, f"{length:.6f}\n".encode())
            answered = await loop.sock_recv(sock, 16)
        except OSError:
            answered = b""
    wait = time.monotonic() - began - length if answered else float("inf")
    return Answer(began - at, wait)
