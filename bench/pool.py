"""What a pool costs by itself: births, memory, the master's work, a burst that needs more workers, the journal."""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.apps import EchoLines, EchoStream, OneSecond
from bench.asyncio_apps import Echo
from bench.loads import Load
from bench.servers import LOOPS, Failed, Served, cpu_ns
from bench.table import AtMost, Row
from prefork import PoolConfig
from prefork.testing import LivePool, running
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.pairs import Options
    from prefork.policy.model import PoolView

_BIRTHS = 30
_BURSTS = 5
_HELD = 10_000
_SETTLE_S = 1.0
_KIB = 1024
_MB = 1_000_000


def births(_: Options) -> list[Row]:
    """FORK to READY, as the master sees it, one birth at a time."""
    rows = []
    for figure, app, most in (("bare", EchoLines, 3.0), ("100 MB in the mold", "bench.ballast:EchoLines", 8.0)):
        took = sorted(_births(app))
        details = f"median of {_BIRTHS}; the fastest {took[0]:.1f}"
        rows.append(AtMost(most, "ms").row("births", f"FORK to READY, {figure}", statistics.median(took), details))
    return rows


def _births(app: object) -> Iterator[float]:
    with running(app, pool=_static(1)) as pool:
        for _ in range(_BIRTHS):
            ((worker, pid),) = pool.worker_pids().items()
            os.kill(pid, 9)
            (born,) = pool.wait_for(partial(_has_another, worker)).workers
            yield ((born.ready_at or 0) - born.forked_at) / 1e6


def _has_another(old: int, view: PoolView) -> bool:
    return len(view.workers) == 1 and all(each.ready_at is not None and each.id != old for each in view.workers)


def burst(_: Options) -> list[Row]:
    """Last answer of 32 one-second requests on 2 workers with cap 1."""
    took = []
    config = {"min_workers": 2, "max_workers": 40, "max_sessions": 1}
    spare = {"kind": "spare", "min_spare": 2, "max_spare": 2}
    for _turn in range(_BURSTS):
        with running(OneSecond, pool=PoolConfig.model_validate(config | {"sizing": spare})) as pool:
            took.append(_last_answer(pool))
    details = f"median of {_BURSTS}; the slowest {max(took):.2f}"
    figure = "last answer of 32 one-second requests, 2 spare workers, cap 1"
    return [AtMost(1.10, "s").row("burst", figure, statistics.median(took), details)]


def _last_answer(pool: LivePool) -> float:
    with ExitStack() as stack:
        began = time.monotonic()
        clients = [stack.enter_context(Client(pool)) for _ in range(32)]
        if [client.hear() for client in clients] != ["done"] * 32:
            raise Failed("a request was lost")
        return time.monotonic() - began


def memory(_: Options) -> list[Row]:
    """What idle workers and the master have to themselves."""
    rows = []
    for loop, most in (("selectors", 6.0), ("asyncio", 8.0)):
        with running(EchoLines, pool=_static(4), **LOOPS[loop]) as pool:
            time.sleep(_SETTLE_S)
            pids = list(pool.worker_pids().values())
            pss = statistics.median(_bytes(pid, "Pss") for pid in pids) / _KIB**2
            private = statistics.median(_private(pid) for pid in pids) / _KIB**2
            master = _private(pool.pid) / _MB
        details = f"median of four; private {private:.1f} MiB"
        rows.append(AtMost(most, "MiB").row("memory", f"PSS of an idle worker, {loop}", pss, details))
        if loop == "selectors":
            rows.append(AtMost(12.0, "MB").row("memory", "private memory of the master", master, "of a pool of four"))
    return rows


def held(options: Options) -> list[Row]:
    """What a session that says nothing adds to a worker's private memory, without the user's object."""
    rows = []
    for loop, app, most in (
        ("selectors", EchoStream, 1.0),
        ("asyncio", EchoStream, 5.0),
        ("uvloop", EchoStream, None),
        ("asyncio", Echo, None),
    ):
        figure = f"memory of a held {app.__mro__[1].__name__}, {loop}"
        own = sys.getsizeof(object.__new__(app))
        each = (_held(options, app, loop) - own) / _KIB
        details = f"{_HELD:,} held; the user's own {own} bytes left out"
        measured = Row("held", figure, f"{each:.2f} KiB", details=details)
        rows.append(measured if most is None else AtMost(most, "KiB").row("held", figure, each, details))
    return rows


def _held(options: Options, app: type, loop: str) -> float:
    """Bytes for each."""
    with running(app, pool=_static(1), **LOOPS[loop]) as pool:
        (pid,) = pool.worker_pids().values()
        server = Served(pool.address[1], (pid,))
        with options.programs.held(server, 100):
            before = _private(pid)
            with options.programs.held(server, _HELD):
                return (_private(pid) - before) / _HELD


def master(options: Options) -> list[Row]:
    """The master's own CPU while 10,000 connections a second come."""
    load = Load("connect", 512, rate=10_000)
    with running(EchoStream, pool=PoolConfig.model_validate({"min_workers": 2, "max_workers": 2})) as pool:
        server = Served(pool.address[1], (pool.pid,))
        told = [options.programs.run(load, server, 2.0) for _ in range(3)]
    share = 100 * statistics.median(each.cores for each in told)
    rate = statistics.median(each.per_second for each in told)
    details = f"median of three times 2 s, at {rate:,.0f}/s; demand, 2 workers"
    row = AtMost(2.0, "%").row("master", "CPU of the master at 10,000 connections/s", share, details)
    return [row if rate > 9_900 else row._replace(doubt=f"only {rate:,.0f}/s came")]


def wakeups(_: Options) -> list[Row]:
    """Wake-ups of the master while nothing happens."""
    with running(EchoLines, pool=PoolConfig(min_workers=5)) as pool:
        before, cpu = pool.status()["master"]["wakeups"], cpu_ns(pool.pid)
        time.sleep(20)
        spent = (cpu_ns(pool.pid) - cpu) / 1e6
        after = pool.status()["master"]["wakeups"]
    figure = "wake-ups of the master in 20 idle seconds"
    return [Row("wakeups", figure, str(after - before - 1), details=f"{spent:.1f} ms of CPU")]


def _static(workers: int) -> PoolConfig:
    config = {"min_workers": 1, "max_workers": 20, "sizing": {"kind": "static", "workers": workers}}
    return PoolConfig.model_validate(config)


def _private(pid: int) -> int:
    return _bytes(pid, "Private_Dirty") + _bytes(pid, "Private_Clean")


def _bytes(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * _KIB for line in lines if line.startswith(f"{field}:"))
