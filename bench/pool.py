"""`make bench`: what the pool costs and how fast it is, in one table. Nothing in it passes or fails.

python bench/pool.py [--pairs N] [--seconds S] [--only NAME …]
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from apps import EchoLines, EchoStream, OneSecond
from servers import Served, build, c_limit, load, prefork

from prefork import PoolConfig, wire
from prefork.config import JournalConfig, ServerConfig
from prefork.master.facts import Performed, WorkerSaid
from prefork.master.listeners import Queue
from prefork.master.scoreboard import Scoreboard
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import Because, PoolView, Reason, Spawn, WorkerId
from prefork.testing import LivePool, running
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(NamedTuple):
    """One line of the table."""

    figure: str
    value: str


class Options(NamedTuple):
    """How long to measure."""

    folder: Path
    pairs: int
    seconds: float


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="interleaved runs of each comparison")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    parser.add_argument("--only", nargs="*", default=list(_FIGURES), choices=list(_FIGURES))
    told = parser.parse_args()
    logging.disable(logging.INFO)
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.release()}, {os.cpu_count()} cores"
    )
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        options = Options(Path(folder), told.pairs, told.seconds)
        for name in told.only:
            for row in _FIGURES[name](options):
                print(f"{row.figure:62} {row.value}", flush=True)


def births(_: Options) -> list[Row]:
    """FORK to READY, as the master sees it, one birth at a time."""
    took = []
    config = {"min_workers": 1, "max_workers": 20, "sizing": {"kind": "static", "workers": 1}}
    with running(EchoLines, pool=PoolConfig.model_validate(config)) as pool:
        for _turn in range(30):
            old = pool.worker_pids()
            (worker,) = old
            os.kill(old[worker], 9)
            (born,) = pool.wait_for(partial(_has_another, worker)).workers
            took.append(((born.ready_at or 0) - born.forked_at) / 1e6)
    return [Row("FORK to READY, one at a time (median of 30)", f"{statistics.median(took):.1f} ms")]


def _has_another(old: int, view: PoolView) -> bool:
    return any(worker.ready_at is not None and worker.id != old for worker in view.workers)


def idle(_: Options) -> list[Row]:
    """Wake-ups of the master in 60 seconds in which nothing happens."""
    with running(EchoLines, pool=PoolConfig(min_workers=5)) as pool:
        before = pool.status()["master"]["wakeups"]
        time.sleep(60)
        after = pool.status()["master"]["wakeups"]
    return [Row("wake-ups of the master in 60 idle seconds, without this question's", str(after - before - 1))]


def thirty_two(_: Options) -> list[Row]:
    """Last answer of 32 one-second requests on 2 workers with cap 1."""
    took = []
    for _turn in range(5):
        config = PoolConfig(min_workers=2, max_workers=40, max_sessions=1)
        with running(OneSecond, pool=config) as pool, ExitStack() as stack:
            began = time.monotonic()
            clients = [stack.enter_context(Client(pool)) for _ in range(32)]
            if [client.hear() for client in clients] != ["done"] * 32:
                raise SystemExit("a request was lost")
            took.append(time.monotonic() - began)
    return [Row("last of 32 one-second requests, 2 workers, cap 1", f"{statistics.median(took):.2f} s (median of 5)")]


def memory(_: Options) -> list[Row]:
    """PSS and private memory of idle workers and of the master."""
    with running(EchoLines, pool=PoolConfig.model_validate({"sizing": {"kind": "static", "workers": 4}})) as pool:
        time.sleep(1)
        pids = list(pool.worker_pids().values())
        pss = [_rollup(pid, "Pss:") for pid in pids]
        private = [_rollup(pid, "Private_Dirty:") + _rollup(pid, "Private_Clean:") for pid in (*pids, pool.pid)]
    return [
        Row("PSS of an idle worker, four of them (median)", f"{statistics.median(pss):.1f} MiB"),
        Row("private memory of an idle worker (median)", f"{statistics.median(private[:-1]):.1f} MiB"),
        Row("private memory of the master", f"{private[-1]:.1f} MiB"),
    ]


def _rollup(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


class _Still:
    """A kernel seam for the scoreboard alone: so many idle workers, read from real words."""

    def __init__(self, workers: int) -> None:
        self._at = time.monotonic_ns()
        self._words = memoryview(bytearray(workers * wire.SLOT_BYTES)).cast("Q")
        for slot in range(workers):
            self._words[slot * wire.WORDS + wire.HEARTBEAT] = self._at
            self._words[slot * wire.WORDS + wire.IDLE_SINCE] = self._at

    def now(self) -> int:
        return self._at

    def somebody_comes(self) -> None:
        self._at += 1_000_000
        for slot in range(0, len(self._words) // wire.WORDS, 10):
            self._words[slot * wire.WORDS + wire.ACCEPTED] += 1

    def words(self, worker: int) -> list[int]:
        base = (worker - 1) * wire.WORDS
        return self._words[base : base + wire.WORDS].tolist()

    def queues(self) -> list[Queue]:
        return [Queue(0, 2048)]

    def cpu(self, _worker: int) -> None:
        return None


def decisions(_: Options) -> list[Row]:
    """decide() with the building of its view."""
    return [
        Row(f"view and decide(), {kind}, {count} workers (median)", f"{_one_decision(count, kind) * 1000:.3f} ms")
        for kind in ("spare", "demand")
        for count in (10, 100, 1_000, 10_000)
    ]


def _one_decision(count: int, kind: str) -> float:
    """Between two looks somebody comes to each tenth worker."""
    sizing = {"kind": kind, "min_spare": 1, "max_spare": count}
    pool = {"min_workers": 1, "max_workers": count, "max_sessions": 10_000, "sizing": sizing}
    config = ServerConfig.model_validate({"app": "x:Y", "pool": pool})
    board = Scoreboard(config, seed=1)
    kernel = _Still(count)
    for number in range(1, count + 1):
        worker = WorkerId(number)
        board.learn(Performed(Spawn(1, Because(Reason.START)), kernel.now(), worker), kernel.now())
        board.learn(WorkerSaid(worker, wire.Ready()), kernel.now())
    remembered = Memory()
    took = []
    for _turn in range(200 if count < 10_000 else 20):
        kernel.somebody_comes()
        began = time.perf_counter()
        plan = decide(config.pool, board.view(kernel), remembered)  # type: ignore[arg-type]
        took.append(time.perf_counter() - began)
        remembered = plan.memory
    return statistics.median(took)


def echoes(options: Options) -> list[Row]:
    """Echoes over 64 connections, one pinned worker."""
    rows = []
    for app in (EchoStream, EchoLines):
        rows += _against_c(options, f"echoes/s, {app.__name__}, 64 connections, one worker", app, ("echo", 64, 1))
    return rows


def connections(options: Options) -> list[Row]:
    """Connections a second (connect, one echo, close), two workers."""
    return _against_c(options, "connections/s, EchoStream, 64 at a time, two workers", EchoStream, ("conn", 64, 2))


def _against_c(options: Options, title: str, app: type, shape: tuple[str, int, int]) -> list[Row]:
    mode, clients, workers = shape
    ours, limit, same = [], [], []
    for _turn in range(options.pairs):
        with prefork(app, workers) as server:
            ours.append(load(options.folder, server, mode, clients, options.seconds))
        with c_limit(options.folder, workers) as server:
            limit.append(load(options.folder, server, mode, clients, options.seconds))
        with c_limit(options.folder, workers) as server:
            same.append(load(options.folder, server, mode, clients, options.seconds))

    def middle(of: Callable[[int], float]) -> float:
        return statistics.median(of(turn) for turn in range(options.pairs))

    failures = sum(each.failures for each in (*ours, *limit))
    return [
        Row(
            title,
            f"{middle(lambda i: ours[i].per_second):,.0f}, C {middle(lambda i: limit[i].per_second):,.0f}: "
            f"{middle(lambda i: ours[i].per_second / limit[i].per_second):.2f} of C "
            f"(C against itself {middle(lambda i: same[i].per_second / limit[i].per_second):.2f}; failures {failures})",
        ),
        Row(
            "  server CPU each",
            f"{middle(lambda i: ours[i].cpu_us):.1f} us, C {middle(lambda i: limit[i].cpu_us):.1f} us: "
            f"{middle(lambda i: limit[i].cpu_us / ours[i].cpu_us):.2f} of C "
            f"(C against itself {middle(lambda i: limit[i].cpu_us / same[i].cpu_us):.2f})",
        ),
    ]


def under_load(options: Options) -> list[Row]:
    """The master's own CPU while connections come."""
    with running(EchoStream, pool=PoolConfig(min_workers=2)) as pool:
        before = _cpu_ns(pool)
        began = time.monotonic()
        said = load(options.folder, _served(pool), "conn", 64, options.seconds)
        share = (_cpu_ns(pool) - before) / 1e9 / (time.monotonic() - began)
    return [Row(f"CPU of the master at {said.per_second:,.0f} connections/s", f"{100 * share:.1f} % of a core")]


def journal(options: Options) -> list[Row]:
    """What a journal, and a shadow beside it, add to the CPU of a connection; the scribe's own included."""
    kinds: dict[str, list[float]] = {"without": [], "without again": [], "with": [], "with a shadow": []}
    candidate = options.folder / "candidate.toml"
    candidate.write_text("[pool]\nmax_workers = 9\n[pool.sizing]\nkind = 'demand'\n")
    for turn in range(options.pairs):
        for kind, costs in [*kinds.items()][:: -1 if turn % 2 else 1]:
            config = JournalConfig(path=options.folder / f"{turn}-{kind}" if kind.startswith("with") else None)
            if kind.startswith("without"):
                config = JournalConfig()
            pool_config = PoolConfig.model_validate({"min_workers": 2, "max_workers": 2})
            shadow = str(candidate) if "shadow" in kind else None
            with running(EchoStream, pool=pool_config, journal=config, shadow=shadow) as pool:
                time.sleep(0.5)  # until the scribe is up: its start is no connection's
                pids = (pool.pid, *_children(pool.pid))
                served = Served(pool.address[1], pids)
                costs.append(load(options.folder, served, "conn", 64, options.seconds).cpu_us)
    middle = {kind: statistics.median(costs) for kind, costs in kinds.items()}
    ratios = {
        kind: statistics.median(one / other for one, other in zip(costs, kinds["without"], strict=True))
        for kind, costs in kinds.items()
    }
    return [
        Row(
            f"CPU of a connection, every process, {kind} journal" if "shadow" not in kind else f"  {kind}",
            f"{middle[kind]:.1f} us, {ratios[kind]:.3f} of without",
        )
        for kind in kinds
    ]


def _children(pid: int) -> tuple[int, ...]:
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))


def _served(pool: LivePool) -> Served:
    return Served(pool.address[1], tuple(pool.worker_pids().values()))


def _cpu_ns(pool: LivePool) -> int:
    return int(Path(f"/proc/{pool.pid}/schedstat").read_text(encoding="ascii").split()[0])


_FIGURES: dict[str, Callable[[Options], list[Row]]] = {
    "births": births,
    "decisions": decisions,
    "thirty_two": thirty_two,
    "memory": memory,
    "echoes": echoes,
    "connections": connections,
    "under_load": under_load,
    "journal": journal,
    "idle": idle,
}

if __name__ == "__main__":
    main()
