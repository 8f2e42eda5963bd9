"""What the invariants count, in their own words: nothing here asks the policy's census, need or budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prefork.policy.model import Drain, Kill, Owner, Phase, Reason, Retire, Spawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.policy.estimates import Estimates
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


def missing(seen: Seen, *, start: bool, doubt: float = 0.0) -> int:
    """How many births the rule of the config still asks for once the plan is performed; negative: too many.

    `doubt`: how much is added to a load, which is computed here in floats.
    """
    view, limits = seen.after, seen.limits
    n = sum(Owner.POLICY not in worker.paused_by for worker in members(view))
    if view.paused:
        return limits.min_workers - n
    if view.scale is not None:
        return max(limits.min_workers, min(view.scale, limits.max_workers)) - n
    if limits.sizing == "static":
        return limits.workers - n
    waiting = max(view.queue or 0, 0)
    queued = -(-waiting // limits.max_sessions) if limits.max_sessions else min(waiting, 1)
    low = limits.start_workers if start and not seen.before.started else limits.min_workers
    if limits.sizing == "demand":
        needed = needed_by_load(load_of(view, limits, seen.plan.memory.demand), limits, doubt)
        return max(needed - len(opened(view)), low - n)
    return max(limits.min_spare + queued - spare_places(view, limits), low - n)


def opened(view: PoolView) -> list[WorkerView]:
    """Who accepts, or will."""
    return [worker for worker in members(view) if not worker.paused_by and not worker.spent]


def load_of(view: PoolView, limits: Limits, learnt: Estimates) -> dict[str, float]:
    """The figures that a birth for demand tells."""
    held = [(max(worker.sessions, 0), worker in opened(view)) for worker in members(view)]
    return {
        "sessions": sum(count for count, _ in held),
        "shut": sum(count for count, is_open in held if not is_open),
        "busy_workers": sum(w.sessions > 0 and w.phase is not Phase.BOOTING for w in opened(view)),
        "queue": max(view.queue or 0, 0),
        "arrivals_micro": learnt.rate,
        "session_ns": (learnt.session_ns + 1e8) / (learnt.ended / 1e6 + 0.5),
        "ahead_ns": min(2e9, max(view.spawn_ns or 0, limits.target_wait_ns)),
        "busy_micro": learnt.busy,
    }


def needed_by_load(f: dict[str, float], limits: Limits, doubt: float) -> int:
    """The formula of docs/POLICY.md, in floats."""
    cap, waiting = limits.max_sessions, int(f["queue"])
    if cap:
        called = math.ceil(_sessions_to_come(f, limits) / cap + doubt)
        held, queued = math.ceil((f["sessions"] - f["shut"]) / cap), math.ceil(waiting / cap)
    else:
        called = math.ceil(f["busy_micro"] / 1e6 / 0.7 + doubt) + min(waiting, 1)
        held, queued = int(f["busy_workers"]), min(waiting, 1)
    least = held + limits.min_spare if limits.min_spare else 0
    within = min(max(called, least), held + queued + limits.max_spare)
    return max(limits.min_workers, min(waiting, 1), within)


def _sessions_to_come(f: dict[str, float], limits: Limits) -> float:
    rate, tau, ahead = f["arrivals_micro"] / 1e6, f["session_ns"] / 1e9, f["ahead_ns"] / 1e9
    now, target = float(f["sessions"]), limits.target_wait_ns / 1e9
    rate = min(rate, max((now + f["queue"]) / tau, rate - math.sqrt(rate / 2)))
    stay = math.exp(-ahead / tau)
    expected = rate * tau + (now - rate * tau) * stay
    if f["queue"]:
        expected = max(expected, now + (f["queue"] + (rate - now / tau) * ahead) * min(1, tau / target))
    spread = rate * tau * (1 - stay) + now * stay * (1 - stay)
    return expected - float(f["shut"]) + limits.headroom_ppm / 1e6 * math.sqrt(spread)


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
