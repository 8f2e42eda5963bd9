"""Planned replacement: who is overdue, who is relieved, and how many may be replaced at one time.

Theory. A replacement is three facts, not a procedure: a worker is overdue; somebody was born with `replaces` naming it;
that one serves. From the Spawn until the old one is DRAINING it is *being replaced*, and of those there are never more
than the budget, a share of the workers that serve. A successor that dies leaves the worker overdue, and the first step
is taken again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.draft import because
from prefork.policy.jitter import draw_of, shortened
from prefork.policy.limits import PPM
from prefork.policy.model import Drain, Phase, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.policy.census import Census
    from prefork.policy.draft import Draft
    from prefork.policy.limits import Limits
    from prefork.policy.model import Because, PoolView, WorkerView


class Overdue(NamedTuple):
    """A worker that should be replaced; sorts most overdue first."""

    generation: int
    """Its own where that is older than the pool's, else the pool's."""
    earliness: int
    """Minus the millionths of the limit that it has used up."""
    worker_id: int
    worker: WorkerView


def overdue_of(worker: WorkerView, view: PoolView, limits: Limits, now: int) -> Overdue | None:
    """Return how much a serving worker is overdue; None: it isn't."""
    ratio = 0
    if recycles(limits) or worker.spent:
        draw = draw_of(view.seed, worker.id)
        ratio = max([rule(worker, limits, now, draw)[0] for _, rule in _RULES])
    if ratio < PPM:
        if worker.generation >= view.generation:
            return None
        ratio = 0
    return Overdue(min(worker.generation, view.generation), -ratio, worker.id, worker)


def why_overdue(worker: WorkerView, view: PoolView, limits: Limits, now: int) -> Because:
    """Return the reason: an older generation, or the limit that is passed by most."""
    if worker.generation < view.generation:
        return because(Reason.OLD_GENERATION, worker_generation=worker.generation, generation=view.generation)
    draw = draw_of(view.seed, worker.id)
    passed = [(rule(worker, limits, now, draw), reason) for reason, rule in _RULES]
    (ratio, used, limit), reason = max(passed)
    if ratio >= PPM:
        return because(reason, used=used, limit=limit)
    return because(Reason.REPLACED, generation=view.generation)


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
    for worker in sorted(census.relieved):
        why = why_overdue(worker, view, limits, draft.now)
        draft.say(Drain(worker.id, draft.now + limits.drain_timeout_ns, why))


def overdue_members(draft: Draft, view: PoolView, limits: Limits, members: Iterable[WorkerView]) -> list[Overdue]:
    """Return who should be replaced, most overdue first; ask for a look when the next will be too old."""
    found, generation = [], view.generation
    if not recycles(limits):
        members = [worker for worker in members if worker.spent or worker.generation < generation]
    for worker in members:
        if worker.phase is not Phase.SERVING:
            continue
        overdue = overdue_of(worker, view, limits, draft.now)
        if overdue is None:
            draft.wake(age_out_at(worker, view, limits))
        else:
            found.append(overdue)
    return sorted(found)


def budget(limits: Limits, serving: int) -> int:
    """Return how many of `serving` workers may be in replacement at one time."""
    return max(1, serving * limits.max_unavailable_ppm // PPM)


Used = tuple[int, int, int]
"""Millionths of the limit that are used up (0: no such limit), what was used, the limit with its jitter."""

_UNLIMITED: Used = (0, 0, 0)


def _age(worker: WorkerView, limits: Limits, now: int, draw: int) -> Used:
    if not limits.max_age_ns or worker.ready_at is None:
        return _UNLIMITED
    limit, age = shortened(limits.max_age_ns, limits.jitter_ppm, draw), now - worker.ready_at
    return age * PPM // limit, age, limit


def _served(worker: WorkerView, limits: Limits, _now: int, draw: int) -> Used:
    """Believe a gate that says spent: it shut at the number it was born with, whatever the config says since."""
    if not limits.max_served and not worker.spent:
        return _UNLIMITED
    if worker.spent:
        used = max(1, worker.accepted)
        return PPM, used, used
    limit = shortened(limits.max_served, limits.jitter_ppm, draw)
    return worker.accepted * PPM // limit, worker.accepted, limit


def _rss(worker: WorkerView, limits: Limits, _now: int, draw: int) -> Used:
    """Leave out a worker that was born over the limit: its successor would be born over it too."""
    if not limits.max_rss_bytes or worker.rss is None:
        return _UNLIMITED
    limit = shortened(limits.max_rss_bytes, limits.jitter_ppm, draw)
    if worker.rss <= limit or (worker.boot_rss is not None and worker.boot_rss > limit):
        return _UNLIMITED
    return worker.rss * PPM // limit, worker.rss, limit


_RULES = ((Reason.MAX_AGE, _age), (Reason.MAX_SERVED, _served), (Reason.MAX_RSS, _rss))
