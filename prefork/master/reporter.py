"""What the master tells people: log lines as things happen, and the status on request. It changes nothing.

Theory. Each decision and each end of a process is one line, labelled by the policy's own reason with its figures. Lines
of one kind that come faster than five a second are folded: the next one that is written says how many were left out.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from prefork import wire
from prefork.master.facts import MoldExited, MoldSaid, WorkerExited, WorkerSaid, WorkerUnborn
from prefork.master.notes import LastNotes
from prefork.master.scoreboard import HISTORY
from prefork.master.totals import totals_at
from prefork.policy.model import MoldPhase, Phase, Reason
from prefork.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import ServerConfig
    from prefork.log import Sink
    from prefork.master.facts import Fact, Performed
    from prefork.master.journal import Journal
    from prefork.master.kernel import Kernel
    from prefork.master.records import MoldRecord, WorkerRecord
    from prefork.master.scoreboard import Scoreboard
    from prefork.master.shadow import Shadow
    from prefork.policy.model import Because, Decision, WorkerId

_log = logging.getLogger("prefork.master")
POOL = "default"
"""The only pool's name; [pools.NAME] will have others."""
_FOLD_BURST = 5
_FOLD_NS = 1_000_000_000
_FOLD_KINDS = 1000
_SAME_NS = 60_000_000_000
"""A traceback that was shown so long ago is shown again."""
_GATE_WORDS = {
    wire.GATE_FULL: "full",
    wire.GATE_PAUSED: "paused",
    wire.GATE_DRAINING: "draining",
    wire.GATE_BACKOFF: "out of files",
    wire.GATE_SPENT: "spent",
}


class Folder:
    """Lets five lines of one kind through a second, and counts the rest."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, int, int]] = {}

    def let(self, kind: str, now: int, burst: int = _FOLD_BURST) -> int | None:
        """How many lines of this kind were left out before this one; None: leave this one out as well."""
        since, passed, folded = self._kinds.get(kind, (now, 0, 0))
        if now - since >= _FOLD_NS:
            since, passed = now, 0
        if len(self._kinds) >= _FOLD_KINDS:  # a kind may have the user's own words in it: no two need be the same
            self._kinds = {other: each for other, each in self._kinds.items() if now - each[0] < _FOLD_NS}
        if passed >= burst:
            self._kinds[kind] = since, passed, folded + 1
            return None
        self._kinds[kind] = since, passed + 1, 0
        return folded


class Reporter:
    """Speaks for one master."""

    def __init__(  # noqa: PLR0913 - whose news it tells
        self,
        kernel: Kernel,
        board: Scoreboard,
        sink: Sink,
        config_file: str | None,
        announce: Callable[[list[str]], object],
        *,
        journal: Journal | None = None,
        shadow: Shadow | None = None,
        origins: Callable[[ServerConfig], dict[str, str]] = lambda _: {},
    ) -> None:
        """`announce` is called with the URLs when clients may come."""
        self._kernel = kernel
        self._journal = journal
        self._shadow = shadow
        self._origins = origins
        self._board = board
        self._sink = sink
        self._config_file = config_file
        self._urls = [listener.url for listener in board.config.listen]
        self._announce = announce
        self._fold = Folder()
        self._notes = LastNotes()
        self._ends: dict[int, str] = {}
        """How the workers ended that the shown decisions name."""
        self._traceback = "", 0
        """The lines of the last one that was shown, and when."""
        self._started_at = kernel.now()
        self._started_unix = time.time()

    # -- lines

    def performed(self, done: Performed) -> None:
        """One line a decision."""
        decision = done.decision
        because: Because = decision.because
        who = _whom(decision, done)
        told = _told(because, done.at)
        if because.reason is Reason.FIRST_MOLD:
            return  # what comes of it is told: a pool that listens, or an error
        level = logging.WARNING if decision.kind in ("kill", "give_up") else logging.INFO
        self._say(
            level,
            f"{decision.kind} {because.reason}",
            f"{decision.kind}{who}: {because.reason} {told}".rstrip(),
            done.at,
        )

    def learned(self, fact: Fact, now: int) -> None:
        """One line for each fact that an operator would want to have seen."""
        self._notes.learned(fact, now)
        match fact:
            case WorkerExited():
                self._worker_ended(fact, now)
            case WorkerUnborn(worker):
                self._say(logging.WARNING, "unborn", f"worker {worker} was {fact.how}", now)
            case WorkerSaid(worker, wire.Failed(text, frames)):
                self._worker_failed(worker, text, frames, now)
            case WorkerSaid(worker, wire.Request(act, owner)):
                self._say(logging.INFO, f"request {act}", f"worker {worker} asks to {act} ({owner})", now)
            case MoldSaid(generation, wire.MoldReady(resident)):
                self._mold_ready(generation, resident, now)
            case MoldSaid(generation, wire.MoldFailed(text, frames)) if self._board.generation:
                what = "reload" if generation > self._board.generation else "another mold"
                line = f"{what} failed, generation {self._board.generation} goes on: {text}"
                self._say(logging.ERROR, "mold failed", line, now, frames)
            case MoldExited(generation, how):
                mold = self._board.molds.get(generation)
                if mold is not None and mold.phase in (MoldPhase.STARTING, MoldPhase.READY):
                    self._say(logging.WARNING, "mold ended", f"mold of generation {generation} ended: {how}", now)
            case _:
                pass

    def listening(self, urls: list[str]) -> None:
        """Clients may come."""
        self._urls = urls
        for url in urls:
            _log.info("listening on %s", url)
        self._announce(urls)

    def _mold_ready(self, generation: int, resident: int, now: int) -> None:
        mold = self._board.molds.get(generation)
        took = (now - mold.since_at) / 1e9 if mold is not None else 0.0
        text = f"mold of generation {generation} is ready after {took:.2f} s, {resident / 2**20:.0f} MiB"
        self._say(logging.INFO, "mold ready", text, now)

    def _worker_failed(self, worker: WorkerId, text: str, frames: str, now: int) -> None:
        """At length once; whoever fails at the same lines after it is a line a second."""
        known = self._board.workers.get(worker)
        booting = known is not None and known.ready_at is None
        what = f"failed to start app {self._board.config.app!r}" if booting else "failed"
        where = "".join(line for line in frames.splitlines() if line.startswith('  File "'))
        shown, at = self._traceback
        if where == shown and now - at < _SAME_NS:
            frames = ""
        else:
            self._traceback = where, now
        self._say(logging.ERROR, f"failed {where or text}", f"worker {worker} {what}: {text}", now, frames, burst=1)

    def _worker_ended(self, fact: WorkerExited, now: int) -> None:
        worker = self._board.workers.get(fact.worker)
        if worker is None:
            return
        ordered = worker.ordered is not None
        age = (now - worker.forked_at) / 1e9
        ordered_by = worker.ordered or "not ordered"
        text = f"worker {fact.worker} ended: {fact.how}, {ordered_by}, after {age:.1f} s{fact.losses}"
        self._ends[fact.worker] = fact.how
        if len(self._ends) > 2 * HISTORY:
            self._forget_ends()
        if worker.failed is not None and fact.code is not None and not (fact.lost or fact.dump):
            return  # it has said why, and that is told
        level = logging.INFO if ordered and fact.code == 0 else logging.WARNING
        self._say(level, f"ended {fact.how} {worker.ordered}", text, now, fact.dump)

    def _say(  # noqa: PLR0913 - a line, and what it hangs on
        self, level: int, kind: str, text: str, now: int, below: str = "", *, burst: int = _FOLD_BURST
    ) -> None:
        left_out = self._fold.let(kind, now, burst)
        if left_out is None:
            return
        if left_out:
            text += f" (and {left_out} more of this kind before)"
        _log.log(level, "%s", text)
        for line in below.splitlines():
            _log.log(level, "    %s", line)

    # -- status

    def status(self) -> dict[str, Any]:
        """The whole picture, in plain values; every row names its pool."""
        now = self._kernel.now()
        board = self._board
        workers = [self._worker_row(worker, now) for worker in board.workers.values()]
        return {
            "master": self._master_row(workers, now),
            "mold": [self._mold_row(mold, now) for mold in board.molds.values()],
            "listeners": [
                {"pool": POOL, "url": url, "queue": queue.length, "backlog": queue.limit}
                for url, queue in zip(self._urls, self._kernel.queues(), strict=True)
            ],
            "workers": workers,
            "shadow": self._shadow.status(now) if self._shadow is not None else None,
            "decisions": self._decision_rows(now),
            "withheld": self._withheld_rows(),
        }

    def view(self) -> dict[str, Any]:
        """The policy's own view at this instant, as `prefork.testing` reads it."""
        return {"view": self._board.view(self._kernel)}

    def policy(self) -> dict[str, Any]:
        """The [pool] table in force, where its settings come from, the journal's folder; what is remembered."""
        board, now = self._board, self._kernel.now()
        return {
            "config": board.pool.model_dump(mode="json"),
            "origins": self._origins(board.config),
            "journal": self._journal.path if self._journal is not None else None,
            "decisions": self._decision_rows(now),
            "withheld": self._withheld_rows(),
            "notes": self._notes.rows(now),
        }

    def _master_row(self, workers: list[dict[str, Any]], now: int) -> dict[str, Any]:
        board = self._board
        serving = [row for row in workers if row["phase"] == Phase.SERVING]
        lengths = [queue.length for queue in self._kernel.queues() if queue.length is not None]
        return {
            "pool": POOL,
            "pid": os.getpid(),
            "version": VERSION,
            "name": board.config.name,
            "config_file": self._config_file,
            "started_at_unix": self._started_unix,
            "uptime_s": (now - self._started_at) / 1e9,
            "generation": board.generation,
            "state": self._state(now),
            "scale": board.goals.scale,
            "workers": len(workers),
            "max_workers": board.limits.max_workers,
            "spare": sum(not row["sessions"] and not row["gate"] for row in serving),
            "busy": sum(bool(row["sessions"]) for row in serving),
            "sessions": sum(row["sessions"] for row in workers),
            "accepted": board.accepted(self._kernel),
            "queue": sum(lengths) if lengths else None,
            "accept_wait_p99_ms": self._accept_wait(),
            "wakeups": self._kernel.wakeups,
            "strangers_reaped": board.strangers,
            "log_lines_dropped": self._sink.dropped + board.dropped(self._kernel),
            "journal": self._journal.status() if self._journal is not None else None,
        }

    def _accept_wait(self) -> tuple[int, int | None] | None:
        """In which range of ms 99 of 100 accept waits end, of the workers that live."""
        words = [self._kernel.words(worker) for worker in self._board.workers]
        waits = [found[wire.WAITS : wire.WAITS + wire.WAIT_BUCKETS] for found in words if found is not None]
        return wire.wait_quantile([sum(column) for column in zip(*waits, strict=True)], 0.99)

    def _state(self, now: int) -> str:
        goals = self._board.goals
        if goals.stopping(now) or self._board.fatal is not None:
            return "stopping"
        if goals.paused:
            return "paused"
        return "serving" if self._board.generation else "starting"

    def _worker_row(self, worker: WorkerRecord, now: int) -> dict[str, Any]:
        words = self._kernel.words(worker.id) or [0] * wire.WORDS
        heard = words[wire.HEARTBEAT]
        return {
            "pool": POOL,
            "id": worker.id,
            "pid": self._kernel.pid(worker.id),
            "generation": worker.generation,
            "phase": worker.phase,
            "paused_by": sorted(worker.paused_by),
            "sessions": max(0, words[wire.ACCEPTED] - words[wire.CLOSED]),
            "served": words[wire.ACCEPTED],
            "errors": words[wire.ERRORS],
            "refused": words[wire.REFUSED],
            "log_lines_dropped": words[wire.DROPPED],
            "age_s": (now - worker.forked_at) / 1e9,
            "last_beat_s": max(0, now - heard) / 1e9 if heard else None,
            "busy_s": words[wire.BUSY] / 1e9,
            "busy_share": self._busy_share(worker, words, now),
            "rss_bytes": words[wire.RSS] or None,
            "gate": [word for bit, word in _GATE_WORDS.items() if words[wire.GATE] & bit],
        }

    def _busy_share(self, worker: WorkerRecord, words: list[int], now: int) -> float | None:
        """Of the time since READY, the share that the worker was used, or else that its loop spent in turns."""
        if worker.ready_at is None or now <= worker.ready_at:
            return None
        used = self._board.usage.of(worker.id)
        busy = totals_at([words], now).busy_ns if used is None else used
        return min(1.0, busy / (now - worker.ready_at))

    def _decision_rows(self, now: int) -> list[dict[str, Any]]:
        """Newest first, each with what came of its worker."""
        shown = [(done, _worker_of(done)) for done in reversed(self._board.history)]
        return [
            {
                "pool": POOL,
                "at_s": (now - done.at) / 1e9,
                "kind": done.decision.kind,
                "worker": worker,
                "reason": done.decision.because.reason,
                "figures": dict(done.decision.because.figures),
                "text": _told(done.decision.because, done.at),
                "outcome": self._ends.get(worker) if worker is not None else None,
            }
            for done, worker in shown
        ]

    def _withheld_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "pool": POOL,
                "want": each.want,
                "count": each.count,
                "reason": each.because.reason,
                "figures": dict(each.because.figures),
            }
            for each in self._board.withheld
        ]

    def _forget_ends(self) -> None:
        named = {_worker_of(done) for done in self._board.history}
        self._ends = {worker: how for worker, how in self._ends.items() if worker in named}

    def _mold_row(self, mold: MoldRecord, now: int) -> dict[str, Any]:
        return {
            "pool": POOL,
            "generation": mold.generation,
            "phase": mold.phase,
            "pid": self._kernel.mold_pid(mold.generation),
            "since_s": (now - mold.since_at) / 1e9,
            "error": mold.failed.text if mold.failed is not None else None,
        }


def _whom(decision: Decision, done: Performed) -> str:
    if decision.kind == "spawn":
        return f" worker {done.worker}" + (f" for {decision.replaces}" if decision.replaces is not None else "")
    if decision.kind == "kill":
        return f" worker {decision.worker} ({decision.step})"
    if decision.kind in ("start_mold", "end_mold"):
        return f" of generation {decision.generation}"
    worker = getattr(decision, "worker", None)
    return f" worker {worker}" if worker is not None else ""


def _worker_of(done: Performed) -> WorkerId | None:
    return done.worker if done.worker is not None else getattr(done.decision, "worker", None)


def _told(because: Because, at: int) -> str:
    """The figures for people: a unit stands with the value, not in the name."""
    return " ".join(
        f"{name.removesuffix('_ns').removesuffix('_bytes').removesuffix('_micro')}={show(name, value, at)}"
        for name, value in because.figures
    )


def show(name: str, value: int | str, at: int) -> str:
    """A figure for people: `_ns` in seconds, `_at` and `_by` from `at` on, `_bytes` in MiB, `_micro` in ones."""
    if not isinstance(value, int):
        return value
    if name.endswith("_ns"):
        return f"{value / 1e9:.3g}s"
    if name.endswith(("_at", "_by")):
        return f"{(value - at) / 1e9:+.3g}s"
    if name.endswith("_micro"):
        return f"{value / 1e6:.3g}"
    return f"{value / 2**20:.1f}MiB" if name.endswith("_bytes") else str(value)
