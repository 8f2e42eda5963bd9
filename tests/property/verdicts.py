"""Invariant 9, as a table: each reason, and what its figures must say for the verdict to be the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.policy.draft import END_NS
from prefork.policy.model import Because, MoldPhase, Owner, Pause, Phase, Reason, Retire, Withheld
from tests.property.counts import needed_by_load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prefork.policy.model import Decision
    from tests.property.world import Seen

Figures = dict[str, Any]
Verdict = "Callable[[Figures, Decision | Withheld, Seen], bool]"


def holds(said: Decision | Withheld, seen: Seen) -> bool:
    """Tell whether the figures of what was said give the same verdict."""
    because: Because = said.because
    return VERDICTS[because.reason](dict(because.figures), said, seen)


def _stopping(f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    begun = seen.view.stop_at is not None and seen.view.stop_at <= seen.now
    late = "late_ns" not in f or (f["late_ns"] >= 0 and f["stop_by"] + f["late_ns"] == seen.now)
    return begun and late and f.get("ending_ns", END_NS) >= END_NS


def _generation(f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    return bool(f["generation"] == seen.view.generation)


def _superseded(f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    late = f.get("ending_ns", END_NS) >= END_NS
    return bool(late and f.get("generation", seen.view.generation) == seen.view.generation)


def _surplus(f: Figures, said: Decision | Withheld, _seen: Seen) -> bool:
    if "least_spare" in f:
        return bool(f["least_spare"] > f["max_spare"]) and isinstance(said, Retire)
    if "keep" in f:
        kept = min(f["max_workers"], max(f["need"], f["largest_need"], f["usual"]))
        return bool(f["open"] > f["keep"] == kept) and isinstance(said, Retire | Pause)
    if "scale" in f:
        return bool(f["n"] > max(f["min_workers"], min(f["scale"], f["max_workers"])))
    return bool(f["n"] > f.get("workers", f.get("max_workers")))


def _few_spares(f: Figures, _said: Decision | Withheld, _seen: Seen) -> bool:
    return bool(f["spare"] < f["min_spare"] + f["queue"])


def _demand(f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    least, most = (needed_by_load(f, seen.limits, doubt) for doubt in (-1e-4, 1e-4))
    return bool(least <= f["need"] <= most and f["need"] > f["open"])


def _emptied(f: Figures, said: Decision | Withheld, seen: Seen) -> bool:
    paused = {worker.id for worker in seen.view.workers if Owner.POLICY in worker.paused_by}
    return f["sessions"] == 0 and isinstance(said, Retire) and said.worker in paused


def _growth(f: Figures, _said: Decision | Withheld, _seen: Seen) -> bool:
    doubled = max(4, f["open"] - f["booting"]) - f["booting"]
    return bool(f["wanted"] > max(0, min(doubled, 2 - f["unborn"])))


def _scale(f: Figures, _said: Decision | Withheld, _seen: Seen) -> bool:
    return bool(f["n"] < max(f["min_workers"], min(f["scale"], f["max_workers"])))


def _probe(f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    memory = seen.plan.memory
    return memory.degraded_at is not None and memory.probe_at <= seen.now and f["failed_probes"] == memory.failed_probes


def _mold_gone(f: Figures, said: Decision | Withheld, seen: Seen) -> bool:
    ready = any(mold.phase is MoldPhase.READY and mold.generation == f["generation"] for mold in seen.view.molds)
    return not ready and (f["wait_ns"] > 0) == isinstance(said, Withheld)


def _no_mold(f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    return not any(mold.phase is MoldPhase.READY and mold.generation == f["generation"] for mold in seen.view.molds)


def _never_ready(_f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    after = seen.plan.memory
    return after.degraded_at is not None and not after.ever_ready and all(w.ready_at is None for w in seen.view.workers)


def _first_mold(_f: Figures, _said: Decision | Withheld, seen: Seen) -> bool:
    return not seen.view.molds and not seen.view.generation


def _requested(f: Figures, said: Decision | Withheld, seen: Seen) -> bool:
    asked = {worker.id: (worker.drain_wanted, worker.sessions) for worker in seen.view.workers}
    return asked[said.worker] == (f["owner"], f["sessions"])  # type: ignore[union-attr]


def _replaced(f: Figures, said: Decision | Withheld, seen: Seen) -> bool:
    successors = [worker for worker in seen.view.workers if worker.replaces == said.worker]  # type: ignore[union-attr]
    return f["generation"] == seen.view.generation and any(one.phase is Phase.SERVING for one in successors)


def _used(f: Figures, _said: Decision | Withheld, _seen: Seen) -> bool:
    return bool(f["used"] >= f["limit"] > 0)


def _silent(f: Figures, _said: Decision | Withheld, _seen: Seen) -> bool:
    return bool(f["silent_ns"] >= f["heartbeat_timeout_ns"] > 0)


def _spins(f: Figures) -> bool:
    return bool(f["cpu_ns"] != "unknown" and 10 * f["cpu_ns"] >= f["silent_ns"])


VERDICTS: Mapping[Reason, Callable[[Figures, Decision | Withheld, Seen], bool]] = {
    Reason.STOPPING: _stopping,
    Reason.OVERSTAYED_DRAIN: lambda f, _said, _seen: f["late_ns"] >= 0,
    Reason.BOOT_TIMEOUT: lambda f, _said, _seen: f["boot_ns"] >= f["boot_timeout_ns"] > 0,
    Reason.SILENT_SPINNING: lambda f, said, seen: _silent(f, said, seen) and _spins(f),
    Reason.SILENT_BLOCKED: lambda f, said, seen: _silent(f, said, seen) and not _spins(f),
    Reason.HARD_RSS: lambda f, _said, _seen: f["rss_bytes"] > f["hard_rss_bytes"] > 0,
    Reason.OLD_GENERATION: lambda f, _said, _seen: f["worker_generation"] < f["generation"],
    Reason.MAX_AGE: _used,
    Reason.MAX_SERVED: _used,
    Reason.MAX_RSS: _used,
    Reason.MAX_IDLE: lambda f, _said, seen: f["idle_ns"] >= f["max_idle_ns"] > 0 and f["n"] > seen.limits.min_workers,
    Reason.REPLACED: _replaced,
    Reason.SURPLUS: _surplus,
    Reason.EMPTIED: _emptied,
    Reason.REQUESTED: _requested,
    Reason.START: lambda f, _said, seen: f["n"] < f["start_workers"] and not seen.before.started,
    Reason.BELOW_MIN: lambda f, _said, _seen: f["n"] < f["min_workers"],
    Reason.FEW_SPARES: _few_spares,
    Reason.DEMAND: _demand,
    Reason.STATIC_SIZE: lambda f, _said, _seen: f["n"] < f["workers"],
    Reason.SCALE: _scale,
    Reason.PROBE: _probe,
    Reason.FIRST_MOLD: _first_mold,
    Reason.RELOAD: lambda f, said, seen: seen.view.reload_wanted and _generation(f, said, seen),
    Reason.MOLD_GONE: _mold_gone,
    Reason.MOLD_SUPERSEDED: _superseded,
    Reason.IMPORT_TIMEOUT: lambda f, _said, _seen: f["import_ns"] >= f["import_timeout_ns"] > 0,
    Reason.NEVER_READY: _never_ready,
    Reason.HARD_RSS_TOO_LOW: lambda f, _said, _seen: f["boot_rss_bytes"] >= f["hard_rss_bytes"] > 0,
    Reason.AT_MAX: lambda f, _said, _seen: f["live"] + f["wanted"] > f["max_workers"],
    Reason.GROWTH: _growth,
    Reason.NO_MOLD: _no_mold,
    Reason.CRASH_TOKENS: lambda f, _said, _seen: f["probes"] > 0 or f["wait_ns"] > 0,
    Reason.OUTSIDE_TOKENS: lambda f, _said, _seen: f["debt_ns"] > 0,
    Reason.FORK_FAILED: lambda f, _said, _seen: f["failures"] > 0 and f["wait_ns"] > 0,
    Reason.MAX_UNAVAILABLE: lambda f, _said, _seen: f["replacing"] + f["overdue"] > f["budget"] <= f["replacing"],
    Reason.MAX_SURGE: lambda f, _said, _seen: f["live"] >= f["max_workers"] + f["surge"],
}
