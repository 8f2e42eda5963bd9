"""Who is let go: over max_workers, idle for too long, too many; as long as nobody would be born for it.

Theory. Need is asked anew with each who goes, since not each leaves the same gap: one that is paused or spent was no
spare. So a plan lets go whom the next one would, and that one finds nothing to undo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy import demand, sizing
from prefork.policy.census import is_spare
from prefork.policy.draft import because
from prefork.policy.model import Drain, Owner, Pause, Phase, Reason, Retire

if TYPE_CHECKING:
    from prefork.policy.births import Pool
    from prefork.policy.census import Census
    from prefork.policy.draft import Draft
    from prefork.policy.memory import Memory
    from prefork.policy.model import Because, PoolView, WorkerId, WorkerView


def shrink(draft: Draft, view: PoolView, pool: Pool, memory: Memory) -> tuple[Memory, Census]:
    """Let go who is too many. Return memory, with its window of spares sampled, and the pool as it is then."""
    limits, census = pool.limits, pool.census
    if sizing.watches(view, limits, census.n):
        memory = sizing.sample(memory, draft.now, census.spare, limits.hold_ns)
    else:
        memory = sizing.forget(memory)
    going = _Going(draft, view, pool, memory)
    if not view.paused:
        going.over_max()
        going.emptied()
    going.idle()
    going.surplus()
    if going.members:
        memory = sizing.take_off(memory, going.spares)
    if not sizing.watches(view, limits, going.census.n):
        memory = sizing.forget(memory)
    if going.by_load:
        memory = memory._replace(demand=memory.demand._replace(shrank_at=draft.now))
    return memory, census.after(going.members, going.paused)


class _Going:
    """The members that one plan lets go; `census` counts those that stay."""

    def __init__(self, draft: Draft, view: PoolView, pool: Pool, memory: Memory) -> None:
        self.members: dict[WorkerId, WorkerView] = {}
        self.paused: dict[WorkerId, WorkerView] = {}
        """Members as they are once this plan has paused them."""
        self.by_load = False
        """The load no longer calls for somebody."""
        self.census = pool.census
        self._draft = draft
        self._view = view
        self._limits = pool.limits
        self._memory = memory

    @property
    def spares(self) -> int:
        """How many spares go."""
        return sum(map(is_spare, self.members.values()))

    def over_max(self) -> None:
        """After max_workers was lowered, idle members retire and others drain: no session is lost.

        Who was born to replace another goes with it: alone it would leave that one behind, a member again.
        """
        n, most = len(self.census.members), self._limits.max_workers
        if n <= most:
            return
        why = because(Reason.SURPLUS, n=n, max_workers=most)
        for worker in sorted(self.census.members, key=_least_missed)[: max(0, n - most)]:
            self._let_go(worker)
            for one in (worker, *(old for old in self.census.replacing if old.id == worker.replaces)):
                by = self._draft.now + self._limits.drain_timeout_ns
                self._draft.say(Retire(one.id, why) if _is_idle(one) else Drain(one.id, by, why))

    def emptied(self) -> None:
        """Retire whom the policy has paused and whose last session is over, unless somebody is needed, or just was."""
        if self.census.n == len(self.census.members):
            return
        asleep = filter(_sleeps, self.census.members)
        empty = [one for one in asleep if _is_idle(one) and one.id not in self.members]
        grew_at = self._memory.demand.grew_at
        if empty and grew_at is not None and self._draft.now < grew_at + demand.PAUSE_BETWEEN_NS:
            self._draft.wake(grew_at + demand.PAUSE_BETWEEN_NS)
            return
        for worker in sorted(empty):
            if self._need().births <= 0:
                self._retire(worker, because(Reason.EMPTIED, sessions=worker.sessions, n=self.census.n))

    def idle(self) -> None:
        """Retire who has been idle for `max_idle`, longest first; nobody goes for one who still boots."""
        limit, now = self._limits.max_idle_ns, self._draft.now
        overstayed = [(idle_from(one, now), one.id, one) for one in self._idle_members()] if limit else []
        for since, _, worker in sorted(overstayed):
            if since + limit <= now and self._need().births + self.census.booting < 0:
                figures = because(Reason.MAX_IDLE, idle_ns=now - since, max_idle_ns=limit, n=self.census.n)
                self._retire(worker, figures)

    def surplus(self) -> None:
        """Retire idle members, the youngest first; a busy one is never told, and of spares only a spare is too many."""
        if sizing.by_load(self._view, self._limits):
            self._load_surplus()
            return
        surplus = sizing.surplus_of(self._view, self._limits, self._memory, self._need())
        most = surplus.births - self.spares if surplus.by_spares else surplus.births
        if most <= 0:
            return
        counted = [one for one in self._idle_members() if not _sleeps(one)]
        candidates = [one for one in counted if is_spare(one) or not surplus.by_spares]
        for worker in sorted(candidates, key=_least_missed)[:most]:
            if self._need().births < 0:
                self._retire(worker, surplus.why())
                most -= 1
        if most > 0 and not surplus.by_spares:
            self._draft.wake(self._draft.now + sizing.EXCESS_LOOK_NS)

    def _load_surplus(self) -> None:
        """Retire the idle and pause the busy of those who accept: a busy one with one place will be idle soon enough.

        Nobody goes for one who still boots: it may never serve. Each leaves the same gap, so need isn't asked anew.
        """
        if not demand.may_shrink(self._memory.demand, self._limits, self.census):
            return
        need = self._need()
        most = min(-need.births - self.census.booting, max(1, self.census.open // demand.SHARE_AT_ONCE))
        open_ = [one for one in self.census.members if one.phase is Phase.SERVING and one.id not in self.members]
        for worker in sorted([one for one in open_ if not (one.paused_by or one.spent)], key=_least_missed):
            if most <= 0:
                return
            if worker.sessions <= 0:
                self._retire(worker, need.why())
            elif self._limits.max_sessions != 1 and not (self._view.queue or 0) > 0:
                self._pause(worker, need.why())
            else:
                return
            most, self.by_load = most - 1, True

    def _pause(self, worker: WorkerView, why: Because) -> None:
        self.paused[worker.id] = worker._replace(paused_by=frozenset({Owner.POLICY}))
        self.census = self.census.changed(worker, self.paused[worker.id])
        self._draft.say(Pause(worker.id, why))

    def _idle_members(self) -> list[WorkerView]:
        return [one for one in self.census.members if _is_idle(one) and one.id not in self.members]

    def _need(self) -> sizing.Need:
        """Return what is needed beside those that stay; while it is below nothing, one more may go."""
        return sizing.need_of(self._view, self._limits, self.census, self._memory)

    def _retire(self, worker: WorkerView, why: Because) -> None:
        self._let_go(worker)
        self._draft.say(Retire(worker.id, why))

    def _let_go(self, worker: WorkerView) -> None:
        self.members[worker.id] = worker
        self.census = self.census.less(worker)


def idle_from(worker: WorkerView, now: int) -> int:
    """Return since when it is idle; a busy one may become so at once."""
    return now if worker.idle_since is None else worker.idle_since


def _sleeps(worker: WorkerView) -> bool:
    """Tell whether the policy has paused it: then it is no member that counts, and goes when it is empty."""
    return bool(worker.paused_by) and Owner.POLICY in worker.paused_by


def _is_idle(worker: WorkerView) -> bool:
    return worker.phase is Phase.SERVING and worker.sessions == 0


def _least_missed(worker: WorkerView) -> tuple[int, bool, int, int]:
    """Sort by sessions, then the spent ones first, the youngest, by id."""
    return worker.sessions, not worker.spent, -worker.forked_at, worker.id
