"""Planned replacement: who is overdue, who is relieved, and how many may be replaced at one time.

Theory. A replacement is three facts, not a procedure: a worker is overdue; somebody was born with `replaces` naming it;
that one serves. From the Spawn until the old one is DRAINING it is *being replaced*, and of those there are never more
than the budget. A successor that dies leaves the worker overdue, and the first step is taken again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.draft import because
from prefork.policy.jitter import draw_of, shortened
from prefork.policy.limits import PPM
from prefork.policy.model import Because, Drain, Phase, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.policy.census import Census
    from prefork.policy.draft import Draft
    from prefork.policy.limits import Limits
    from prefork.policy.model import PoolView, WorkerView


class Overdue(NamedTuple):
    """A worker that should be replaced; sorts most overdue first."""

    generation: int
    """Its own where that is older than the pool's, else the pool's."""
    earliness: int
    """Minus the millionths of the limit that it has used up."""
    worker: int
    because: Because


def overdue_of(worker: WorkerView, view: PoolView, limits: Limits, now: int) -> Overdue | None:
    """Return why and how much a serving worker is overdue."""
    draw = draw_of(view.seed, worker.id)
    passed = [used for used in _used(worker, limits, now, draw) if used[0] >= PPM]
    if worker.generation < view.generation:
        reason = because(Reason.OLD_GENERATION, worker_generation=worker.generation, generation=view.generation)
        return Overdue(worker.generation, -max((used[0] for used in passed), default=0), worker.id, reason)
    if not passed:
        return None
    ratio, reason = max(passed, key=_ratio)
    return Overdue(view.generation, -ratio, worker.id, reason)


def age_out_at(worker: WorkerView, view: PoolView, limits: Limits) -> int | None:
    """Return the instant at which a worker will be too old."""
    if not limits.max_age_ns or worker.ready_at is None:
        return None
    return worker.ready_at + shortened(limits.max_age_ns, limits.jitter_ppm, draw_of(view.seed, worker.id))


def recycles(limits: Limits) -> bool:
    """Tell whether any limit can make a worker of the current generation overdue."""
    return bool(limits.max_age_ns or limits.max_served or limits.max_rss_bytes)


def relieve(draft: Draft, view: PoolView, limits: Limits, census: Census) -> None:
    """Drain every worker whose successor serves."""
    for worker, successor in sorted(census.relieved):
        overdue = overdue_of(worker, view, limits, draft.now)
        why = overdue.because if overdue else because(Reason.REPLACED, successor=successor.id)
        draft.say(Drain(worker.id, draft.now + limits.drain_timeout_ns, why))


def overdue_members(draft: Draft, view: PoolView, limits: Limits, members: Iterable[WorkerView]) -> list[Overdue]:
    """Return who should be replaced, most overdue first; ask for a look when the next will be too old."""
    found = []
    some = recycles(limits)
    for worker in members:
        if worker.phase is not Phase.SERVING or not (some or worker.generation < view.generation):
            continue
        overdue = overdue_of(worker, view, limits, draft.now)
        if overdue is None:
            draft.wake(age_out_at(worker, view, limits))
        else:
            found.append(overdue)
    return sorted(found)


def budget(limits: Limits, n: int) -> int:
    """Return how many workers may be in replacement at one time."""
    return max(1, n * limits.max_unavailable_ppm // PPM)


def _used(worker: WorkerView, limits: Limits, now: int, draw: int) -> list[tuple[int, Because]]:
    """Return, for each limit that is set, how much of it is used up (millionths) and the figures."""
    used = []
    if limits.max_age_ns and worker.ready_at is not None:
        limit, age = shortened(limits.max_age_ns, limits.jitter_ppm, draw), now - worker.ready_at
        used.append((age * PPM // limit, because(Reason.MAX_AGE, age_ns=age, limit_ns=limit)))
    if limits.max_served:
        limit = shortened(limits.max_served, limits.jitter_ppm, draw)
        used.append((worker.accepted * PPM // limit, because(Reason.MAX_SERVED, served=worker.accepted, limit=limit)))
    if limits.max_rss_bytes and worker.rss is not None:
        limit = shortened(limits.max_rss_bytes, limits.jitter_ppm, draw)
        # A worker born over the limit isn't overdue: its successor would be born over it too.
        if worker.rss > limit and (worker.boot_rss is None or worker.boot_rss <= limit):
            figures = because(Reason.MAX_RSS, rss_bytes=worker.rss, limit_bytes=limit)
            used.append((worker.rss * PPM // limit, figures))
    return used


def _ratio(used: tuple[int, Because]) -> int:
    return used[0]
