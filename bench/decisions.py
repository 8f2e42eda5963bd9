"""What a decision costs: decide() with the building of its view, from real words of so many workers."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, cast

from bench.table import AtMost, Row
from prefork import wire
from prefork.config import ServerConfig
from prefork.master.facts import Performed, WorkerSaid
from prefork.master.listeners import Queue
from prefork.master.scoreboard import Scoreboard
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import Because, Reason, Spawn, WorkerId

if TYPE_CHECKING:
    from bench.pairs import Options
    from prefork.master.kernel import Kernel

_LINEAR = 12.0
"""Ten times the workers may take so many times as long."""


class _Still:
    """A kernel seam for the scoreboard alone: so many idle workers."""

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
    """Of a pool of 1,000, and how it grows to 10,000."""
    rows = []
    for kind in ("demand", "spare"):
        one, ten = (1000 * one_decision(count, kind) for count in (1_000, 10_000))
        figure = f"view and decide(), {kind}"
        rows += [
            AtMost(3.0, "ms").row("decisions", f"{figure}, 1,000 workers", one, "median of 200"),
            AtMost(_LINEAR, "x").row("decisions", f"{figure}, 10,000 by 1,000", ten / one, f"{ten:.1f} ms"),
        ]
    return rows


def one_decision(count: int, kind: str) -> float:
    """Seconds; between two looks somebody comes to each tenth worker."""
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
        plan = decide(config.pool, board.view(cast("Kernel", kernel)), remembered)
        took.append(time.perf_counter() - began)
        remembered = plan.memory
    return statistics.median(took)
