"""What the invariants count, in their own words: nothing here asks the policy's census, need or budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.model import Drain, Kill, Phase, Reason, Retire, Spawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.policy.limits import Limits
    from prefork.policy.model import ExitView, PoolView, WorkerId, WorkerView
    from tests.property.world import Seen

UP = (Phase.BOOTING, Phase.SERVING)


def live(view: PoolView) -> int:
    return sum(worker.phase is not Phase.KILLED for worker in view.workers)


def replaced(view: PoolView) -> set[WorkerId]:
    """Who has a living successor."""
    return {w.replaces for w in view.workers if w.phase in UP and w.replaces not in (None, w.id)}


def members(view: PoolView) -> list[WorkerView]:
    """Who is up and stays."""
    leaving = replaced(view)
    return [w for w in view.workers if w.phase in UP and w.retiring_at is None and w.id not in leaving]


def spare_places(view: PoolView, limits: Limits) -> int:
    """Spares; with a cap over one, in workers' worth of free places."""
    open_ = [worker for worker in members(view) if not (worker.paused_by or worker.spent or worker.full)]
    if limits.max_sessions > 1:
        return sum(max(limits.max_sessions - worker.sessions, 0) for worker in open_) // limits.max_sessions
    return sum(worker.sessions == 0 or worker.phase is Phase.BOOTING for worker in open_)


def births(seen: Seen) -> list[Spawn]:
    return [d for d in seen.plan.decisions if isinstance(d, Spawn) and d.replaces is None]


def successors(seen: Seen) -> list[Spawn]:
    return [d for d in seen.plan.decisions if isinstance(d, Spawn) and d.replaces is not None]


def withheld(seen: Seen, want: str) -> int:
    return sum(held.count for held in seen.plan.withheld if held.want == want)


def ended(seen: Seen) -> Sequence[Retire | Drain | Kill]:
    return [d for d in seen.plan.decisions if isinstance(d, Retire | Drain | Kill)]


def missing(seen: Seen, *, start: bool) -> int:
    """How many births the rule of the config still asks for once the plan is performed; negative: too many."""
    view, limits, n = seen.after, seen.limits, len(members(seen.after))
    if view.paused:
        return limits.min_workers - n
    if view.scale is not None:
        return max(limits.min_workers, min(view.scale, limits.max_workers)) - n
    if limits.sizing == "static":
        return limits.workers - n
    waiting = max(view.queue or 0, 0)
    queued = -(-waiting // limits.max_sessions) if limits.max_sessions else min(waiting, 1)
    low = limits.start_workers if start and not seen.before.started else limits.min_workers
    return max(limits.min_spare + queued - spare_places(view, limits), low - n)


def told(seen: Seen) -> set[WorkerId]:
    return {d.worker for d in ended(seen)}


def crashed(exit_: ExitView, limits: Limits) -> bool:
    """An exit by itself, before it was healthy."""
    if not exit_.born or exit_.ordered not in (None, Reason.BOOT_TIMEOUT):
        return False
    if exit_.ready_at is None or exit_.ordered is Reason.BOOT_TIMEOUT:
        return True
    by_itself = exit_.signal in (None, 4, 5, 6, 7, 8, 11, 31) or (exit_.signal == 9 and exit_.oom)
    return by_itself and exit_.at - exit_.ready_at < limits.healthy_after_ns
