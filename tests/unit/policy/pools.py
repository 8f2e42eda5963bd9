"""Short words for views: `pool(serving(1), booting(2))` at NOW, in whole seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.policy.engine import decide
from prefork.policy.memory import Memory, Plan
from prefork.policy.model import (
    EndMold,
    ExitView,
    GiveUp,
    Kill,
    KillStep,
    MoldPhase,
    MoldView,
    Phase,
    PoolView,
    Spawn,
    StartMold,
    WorkerId,
    WorkerView,
)
from prefork.policy.units import NS

if TYPE_CHECKING:
    from prefork.policy.config import PoolConfig
    from prefork.policy.model import Decision

NOW = 1_000 * NS
MOLD = MoldView(1, MoldPhase.READY, NOW - 100 * NS)
STARTED = Memory(started=True, ever_ready=True, generation=1, newest_mold=1, last_now=NOW - NS)


def s(seconds: float) -> int:
    """Nanoseconds."""
    return round(seconds * NS)


def booting(name: int, ago: float = 1, **more: Any) -> WorkerView:
    return WorkerView(WorkerId(name), more.pop("generation", 1), Phase.BOOTING, NOW - s(ago), **more)


def serving(name: int, age: float = 100, sessions: int = 0, **more: Any) -> WorkerView:
    """A worker that has just been heard from."""
    fields = {
        "ready_at": NOW - s(age),
        "heard_at": NOW - min(s(1), s(age)),
        "idle_since": None if sessions else NOW - s(age),
        "sessions": sessions,
    }
    return WorkerView(WorkerId(name), more.pop("generation", 1), Phase.SERVING, NOW - s(age), **(fields | more))


def busy(name: int, age: float = 100, **more: Any) -> WorkerView:
    return serving(name, age, sessions=1, **more)


def draining(name: int, by: float | None = 10, **more: Any) -> WorkerView:
    drain_by = None if by is None else NOW + s(by)
    return busy(name, **more)._replace(phase=Phase.DRAINING, drain_by=drain_by)


def killed(worker: WorkerView, step: KillStep = KillStep.DUMP, ago: float = 0.3) -> WorkerView:
    return worker._replace(phase=Phase.KILLED, kill_step=step, killed_at=NOW - s(ago))


def ended(seq: int = 1, ready_ago: float | None = 1, **more: Any) -> ExitView:
    """An exit now, of a worker that was READY `ready_ago` seconds ago (None: never)."""
    ready_at = None if ready_ago is None else NOW - s(ready_ago)
    forked_at = NOW - s(2 if ready_ago is None else ready_ago + 1)
    return ExitView(
        seq, WorkerId(90 + seq), 1, NOW, ready_at, more.pop("forked_at", forked_at), **({"ordered": None} | more)
    )


def pool(*workers: WorkerView, **more: Any) -> PoolView:
    facts: dict[str, Any] = {"now": NOW, "seed": 7, "generation": 1, "workers": workers, "molds": (MOLD,)}
    return PoolView(**(facts | more))


def plan_for(config: PoolConfig, view: PoolView, memory: Memory = STARTED) -> Plan:
    return decide(config, view, memory)


def said(plan: Plan) -> list[str]:
    """Each decision in a few words: `drain 3 max_age`, `spawn for 3 max_age`, `2 spawn withheld at_max`."""
    lines = [f"{_what(decision)} {decision.because.reason}" for decision in plan.decisions]
    return lines + [f"{held.count} {held.want} withheld {held.because.reason}" for held in plan.withheld]


def _what(decision: Decision) -> str:
    match decision:
        case Spawn(replaces=None) | GiveUp():
            return decision.kind
        case Spawn(replaces=old):
            return f"spawn for {old}"
        case Kill(worker=worker, step=step):
            return f"kill {worker} {step}"
        case StartMold(generation=generation) | EndMold(generation=generation, force=False):
            return f"{decision.kind} {generation}"
        case EndMold(generation=generation, force=True):
            return f"end_mold {generation} by force"
        case EndMold():
            raise AssertionError(decision)
        case _:
            return f"{decision.kind} {decision.worker}"
