"""Rules that judge the pool: giving up, relief, who is too many. They look at the survivors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy import births, recycle, sizing
from prefork.policy.census import is_spare
from prefork.policy.crash import allowance
from prefork.policy.draft import because
from prefork.policy.model import Drain, GiveUp, Phase, Reason, Retire

if TYPE_CHECKING:
    from prefork.policy.births import Pool
    from prefork.policy.draft import Draft
    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import PoolView, WorkerId, WorkerView


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
    need = sizing.need_of(view, limits, census, memory)
    memory, gone = _shrink(draft, view, pool, memory, need)
    allowed = allowance(view, pool, memory, draft.now)
    relief = births.choose_overdue(draft, view, pool._replace(gone=gone), memory, allowed)
    born = births.order_births(draft, view, pool, relief.need, allowed)
    births.order_successors(draft, view, pool, relief, allowed._replace(spent=born))
    after = census.n - len(gone) + born
    if sizing.watches(view, limits, after):
        draft.wake(draft.now + sizing.sample_ns(limits))
    if after > limits.min_workers:
        _wake_for_idle(draft, pool)
    full = view.scale is not None or census.n + born >= limits.start_workers
    return memory._replace(started=True) if full and not view.paused else memory


def _shrink(
    draft: Draft, view: PoolView, pool: Pool, memory: Memory, need: sizing.Need
) -> tuple[Memory, frozenset[WorkerId]]:
    """Let go who is too many: over max_workers, idle for too long, surplus. Return memory, and who was named."""
    limits, census = pool.limits, pool.census
    if sizing.watches(view, limits, census.n):
        memory = sizing.sample(memory, draft.now, census.spare, limits.hold_ns)
    else:
        memory = sizing.forget(memory)
    gone: dict[WorkerId, WorkerView] = {}
    if not view.paused:
        _over_max(draft, pool, gone)
    slack = max(0, -need.births)
    _idle(draft, pool, gone, slack)
    surplus = sizing.surplus_of(view, limits, memory, need)
    _surplus(draft, pool, gone, surplus)
    memory = sizing.take_off(memory, sum(map(is_spare, gone.values())))
    if not sizing.watches(view, limits, census.n - len(gone)):
        memory = sizing.forget(memory)
    if surplus.births > len(gone) and memory.window_since is None:
        draft.wake(draft.now + sizing.EXCESS_LOOK_NS)
    return memory, frozenset(gone)


def _over_max(draft: Draft, pool: Pool, gone: dict[WorkerId, WorkerView]) -> None:
    """After max_workers was lowered, idle members retire and others drain: no session is lost."""
    limits, n = pool.limits, pool.census.n
    excess = n - limits.max_workers
    if excess <= 0:
        return
    why = because(Reason.SURPLUS, n=n, max_workers=limits.max_workers)
    for worker in sorted(pool.census.members, key=_least_missed)[:excess]:
        gone[worker.id] = worker
        by = draft.now + limits.drain_timeout_ns
        draft.say(Retire(worker.id, why) if _is_idle(worker) else Drain(worker.id, by, why))


def _idle(draft: Draft, pool: Pool, gone: dict[WorkerId, WorkerView], slack: int) -> None:
    """Retire who has been idle for `max_idle`, longest first, as long as nobody would be born for it."""
    limit, census = pool.limits.max_idle_ns, pool.census
    if not limit or census.n <= pool.limits.min_workers:
        return
    overstayed = []
    for worker in census.members:
        due = _idle_from(worker, draft.now) + limit
        if due <= draft.now and _is_idle(worker) and worker.id not in gone:
            overstayed.append((due, worker.id, worker))
    for due, name, worker in sorted(overstayed, key=_due)[: max(0, slack - len(gone))]:
        gone[name] = worker
        idle_ns = draft.now - due + limit
        draft.say(Retire(name, because(Reason.MAX_IDLE, idle_ns=idle_ns, max_idle_ns=limit, n=census.n)))


def _wake_for_idle(draft: Draft, pool: Pool) -> None:
    """Ask for a look when the next worker may have been idle for too long; a busy one may become so at once."""
    limit = pool.limits.max_idle_ns
    if limit:
        for worker in pool.census.members:
            if worker.phase is Phase.SERVING:
                draft.wake(_idle_from(worker, draft.now) + limit)


def _idle_from(worker: WorkerView, now: int) -> int:
    return now if worker.idle_since is None else worker.idle_since


def _surplus(draft: Draft, pool: Pool, gone: dict[WorkerId, WorkerView], surplus: sizing.Need) -> None:
    """Retire idle members, the youngest first; a busy one is never told, and of spares only a spare is too many."""
    count = surplus.births - len(gone)
    if count <= 0:
        return
    idle = [worker for worker in pool.census.members if _is_idle(worker) and worker.id not in gone]
    if surplus.by_spares:
        idle = [worker for worker in idle if is_spare(worker)]
    for worker in sorted(idle, key=_least_missed)[:count]:
        gone[worker.id] = worker
        draft.say(Retire(worker.id, surplus.because))


def _due(one: tuple[int, WorkerId, WorkerView]) -> tuple[int, int]:
    return one[:2]


def _is_idle(worker: WorkerView) -> bool:
    return worker.phase is Phase.SERVING and worker.sessions == 0


def _least_missed(worker: WorkerView) -> tuple[int, bool, int, int]:
    """Sort by sessions, then the spent ones first, the youngest, by id."""
    return worker.sessions, not worker.spent, -worker.forked_at, worker.id
