"""Births: successors for the overdue first in the reckoning, then what is still needed; each within its bounds.

Theory. A successor is a coming spare, so with each of them fewer births may be needed: they are chosen one after the
other, and need is asked anew. Births come first where places are few: a successor gets what they leave of surge and
allowance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy import recycle, sizing
from prefork.policy.draft import because
from prefork.policy.model import Owner, Phase, Reason, Resume, Spawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.policy.census import Census
    from prefork.policy.crash import Allowance
    from prefork.policy.draft import Draft
    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import PoolView, WorkerView


_BY_POLICY = frozenset({Owner.POLICY})


class Pool(NamedTuple):
    """What the pool rules share."""

    limits: Limits
    census: Census
    survivors: Sequence[WorkerView]


class Relief(NamedTuple):
    """Who gets a successor by this plan, and the pool as it is then."""

    chosen: list[recycle.Overdue]
    waiting: int
    """Overdue, and not chosen."""
    census: Census
    need: sizing.Need
    budget: int


def order_resumes(draft: Draft, view: PoolView, pool: Pool, memory: Memory) -> Census:
    """Resume whom the policy alone has paused, fullest first, before anybody is born; return the pool as it is then."""
    asleep = [one for one in pool.census.members if one.paused_by and one.paused_by == _BY_POLICY and not one.spent]
    census, awake = pool.census, {}
    for worker in sorted(asleep, key=_fullest):
        need = sizing.need_of(view, pool.limits, census, memory)
        if need.births <= 0:
            break
        draft.say(Resume(worker.id, need.why()))
        awake[worker.id] = worker._replace(paused_by=frozenset())
        census = census.changed(worker, awake[worker.id])
    return pool.census.after((), awake)


def _fullest(worker: WorkerView) -> tuple[int, int]:
    return -worker.sessions, worker.id


def choose_overdue(draft: Draft, view: PoolView, pool: Pool, memory: Memory, allowed: Allowance) -> Relief:
    """Choose the most overdue, within budget, surge and what births leave of the allowance.

    One after the other, since with each successor, a coming spare, fewer births may be needed.
    """
    limits, census = pool.limits, pool.census
    overdue = recycle.overdue_members(draft, view, limits, census.members)
    need, count = sizing.need_of(view, limits, census, memory), 0
    if not overdue:
        return Relief([], 0, census, need, 0)
    serving = [worker for worker in census.members if worker.phase is Phase.SERVING]
    budget = recycle.budget(limits, len(serving) + len(census.replacing))
    while count < len(overdue) and len(census.replacing) < budget:
        births = min(_fitting(need, pool), need.at_once)
        if census.live + births >= limits.max_workers + limits.max_surge or count + births >= allowed.births:
            break
        census, count = census.replaced(overdue[count].worker), count + 1
        need = sizing.need_of(view, limits, census, memory)
    return Relief(overdue[:count], len(overdue) - count, census, need, budget)


def _fitting(need: sizing.Need, pool: Pool) -> int:
    """Return how many of the births that are needed fit under max_workers."""
    return max(0, min(need.births, pool.limits.max_workers - pool.census.live))


def order_births(draft: Draft, view: PoolView, pool: Pool, relief: Relief, allowed: Allowance) -> int:
    """Order the births that are needed beside the successors, clamped; return how many."""
    live, most, need = pool.census.live, pool.limits.max_workers, relief.need
    wanted, fit = max(0, need.births), _fitting(need, pool)
    grown = min(fit, need.at_once)
    born = min(grown, allowed.births)
    for _ in range(born):
        draft.say(Spawn(view.generation, allowed.probe or need.why()))
    if wanted > fit:
        draft.withhold("spawn", wanted - fit, because(Reason.AT_MAX, live=live, wanted=wanted, max_workers=most))
    if fit > grown:
        census = relief.census
        growth = because(Reason.GROWTH, wanted=fit, open=census.open, booting=census.booting, unborn=census.unborn)
        draft.withhold("spawn", fit - grown, growth)
    if allowed.because is not None and grown > born:
        draft.withhold("spawn", grown - born, allowed.because)
        draft.wake(allowed.retry_at)
    return born


def order_successors(draft: Draft, view: PoolView, pool: Pool, relief: Relief, allowed: Allowance) -> None:
    """Order the successors, and tell who must wait for one, and for what."""
    limits, census, births, count = pool.limits, relief.census, allowed.spent, len(relief.chosen)
    for one in relief.chosen:
        why = recycle.why_overdue(one.worker, view, limits, draft.now)
        draft.say(Spawn(view.generation, why, one.worker.id))
    if not relief.waiting:
        return
    if allowed.because is not None and allowed.births - births <= count:
        draft.withhold("replace", relief.waiting, allowed.because)
        draft.wake(allowed.retry_at)
    elif relief.budget <= len(census.replacing):
        overdue = count + relief.waiting
        figures = because(
            Reason.MAX_UNAVAILABLE, replacing=len(census.replacing), overdue=overdue, budget=relief.budget
        )
        draft.withhold("replace", relief.waiting, figures)
    else:
        live = census.live + births
        figures = because(Reason.MAX_SURGE, live=live, max_workers=limits.max_workers, surge=limits.max_surge)
        draft.withhold("replace", relief.waiting, figures)
