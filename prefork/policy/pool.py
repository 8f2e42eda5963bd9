"""Rules that judge the pool: giving up, then relief, shrinking, successors and births. They look at the survivors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy import births, demand, recycle, sizing
from prefork.policy.births import Pool
from prefork.policy.crash import allowance
from prefork.policy.draft import because
from prefork.policy.model import Drain, GiveUp, Phase, Reason
from prefork.policy.shrink import idle_from, shrink

if TYPE_CHECKING:
    from prefork.policy.census import Census
    from prefork.policy.draft import Draft
    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import PoolView


def give_up(view: PoolView, limits: Limits, before: Memory, memory: Memory) -> GiveUp | None:
    """Give up a pool in which nobody ever became READY, or nobody may live; said once."""
    if before.ever_ready:
        return None
    if not memory.ever_ready:
        degraded = memory.degraded_at is not None and before.degraded_at is None
        return GiveUp(because(Reason.NEVER_READY, crash_burst=limits.crash_burst)) if degraded else None
    hard = limits.hard_rss_bytes
    sizes = [worker.boot_rss for worker in view.workers if worker.boot_rss is not None]
    if not hard or not sizes or min(sizes) < hard:
        return None
    return GiveUp(because(Reason.HARD_RSS_TOO_LOW, boot_rss_bytes=min(sizes), hard_rss_bytes=hard))


def rule_pool(draft: Draft, view: PoolView, pool: Pool, memory: Memory) -> Memory:
    """Let the pool rules speak, in their order."""
    limits, census = pool.limits, pool.census
    recycle.relieve(draft, view, limits, census)
    memory = demand.observe(memory, view, limits, census, draft.now)
    memory, staying = shrink(draft, view, pool, memory)
    drained = {one.worker for one in draft.decisions if isinstance(one, Drain)} if draft.decisions else ()
    left = [worker for worker in pool.survivors if worker.id not in drained] if drained else pool.survivors
    awake = births.order_resumes(draft, view, Pool(limits, staying, left), memory)
    if awake is not census or left is not pool.survivors:
        pool = Pool(limits, awake, left)
    allowed = allowance(view, pool, memory, draft.now)
    relief = births.choose_overdue(draft, view, pool, memory, allowed)
    born = births.order_births(draft, view, pool, relief, allowed)
    if relief.chosen or relief.waiting:
        births.order_successors(draft, view, pool, relief, allowed._replace(spent=born))
    if awake is not staying or born or relief.chosen:
        memory = _learn_growth(draft, memory, limits, awake)
    if sizing.by_load(view, limits):
        grown = relief.census._replace(open=relief.census.open + born) if born else relief.census
        draft.wake(demand.next_sample_at(memory.demand, view, limits, grown))
    after = pool.census.n + born
    if sizing.watches(view, limits, after):
        draft.wake(sizing.next_sample_at(memory, draft.now, limits, grows=bool(born or relief.chosen)))
    if after > limits.min_workers:
        _wake_for_idle(draft, pool)
    full = view.scale is not None or census.n + born >= limits.start_workers
    return memory if memory.started or not full or view.paused else memory._replace(started=True)


def _learn_growth(draft: Draft, memory: Memory, limits: Limits, census: Census) -> Memory:
    """Remember the instant where somebody waits for it to be past: who is too many, or paused and empty."""
    if census.n < len(census.members):
        draft.wake(draft.now + demand.PAUSE_BETWEEN_NS)
    elif limits.sizing != "demand":
        return memory
    return memory._replace(demand=memory.demand._replace(grew_at=draft.now))


def _wake_for_idle(draft: Draft, pool: Pool) -> None:
    """Ask for a look when the next worker may have been idle for too long; a busy one may become so at once."""
    limit = pool.limits.max_idle_ns
    if limit:
        for worker in pool.census.members:
            if worker.phase is Phase.SERVING:
                draft.wake(idle_from(worker, draft.now) + limit)
