"""Who counts as what: the numbers that pool rules compare, taken from the workers that outlived their own rules.

Theory. A worker is *live* (counts against max_workers) until it exits or its kill has begun. It is a *member* (counts
for min_workers, may be a spare) while it is BOOTING or SERVING and not leaving: no live worker was born to replace it,
and it was not told to retire. Draining workers are no members and no spares; a spent one, whose gate is shut for good,
is a member and no spare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.model import Owner, Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from prefork.policy.limits import Limits
    from prefork.policy.model import WorkerId, WorkerView

_BOOTING = Phase.BOOTING


class Census(NamedTuple):
    """The counts of one look."""

    members: list[WorkerView]
    """BOOTING or SERVING and not leaving."""
    relieved: list[WorkerView]
    """SERVING workers whose successor serves."""
    replacing: list[WorkerView]
    """Workers whose successor still boots."""
    n: int
    """How many members that the policy has not paused."""
    places: int
    """Free ones, of members; without a cap a worker is one place."""
    live: int
    cap: int
    open: int = 0
    """Members that accept, or soon will: nobody has paused them, and they aren't spent."""
    booting: int = 0
    """Of those."""
    unborn: int = 0
    """Of these: the mold has not come to them."""
    sessions: int = 0
    """Held by members."""
    open_sessions: int = 0
    """Held by open members."""

    @property
    def spare(self) -> int:
        """Workers' worth of free places."""
        return self.places // max(1, self.cap)

    def after(self, gone: Collection[WorkerId], changed: Mapping[WorkerId, WorkerView]) -> Census:
        """Count again once the members named in `gone` have been told to go, and others look as in `changed`.

        Who is gone stays live until then.
        """
        if not gone and not changed:
            return self
        olds = {worker.replaces for worker in self.members if worker.id in gone}
        replacing = [worker for worker in self.replacing if worker.id not in olds]
        members = [changed.get(worker.id, worker) for worker in self.members if worker.id not in gone]
        return _count(members, self.cap, self.live)._replace(relieved=self.relieved, replacing=replacing)

    def less(self, worker: WorkerView) -> Census:
        """Count without this member, for what is needed then; the lists stay as they are."""
        return self._sum(_count([worker], self.cap, 0), -1)

    def replaced(self, old: WorkerView) -> Census:
        """Count again once `old`, a member, has a successor that boots: a spare comes, and what was free of it goes."""
        counted = self.less(old)
        return counted._replace(
            n=counted.n + 1,
            places=counted.places + max(1, self.cap),
            live=self.live + 1,
            open=counted.open + 1,
            booting=counted.booting + 1,
            unborn=counted.unborn + 1,
            replacing=[*self.replacing, old],
        )

    def changed(self, old: WorkerView, new: WorkerView) -> Census:
        """Count again with `new` in the place of `old`, a member; the lists stay as they are."""
        return self.less(old)._sum(_count([new], self.cap, 0), 1)  # noqa: SLF001 - of the same class

    def _sum(self, other: Census, sign: int) -> Census:
        return self._replace(
            n=self.n + sign * other.n,
            places=self.places + sign * other.places,
            open=self.open + sign * other.open,
            booting=self.booting + sign * other.booting,
            unborn=self.unborn + sign * other.unborn,
            sessions=self.sessions + sign * other.sessions,
            open_sessions=self.open_sessions + sign * other.open_sessions,
        )


def take_census(survivors: Sequence[WorkerView], draining: int, limits: Limits) -> Census:
    """Count; `survivors` are the BOOTING and SERVING workers that no worker rule has spoken about."""
    serves, live = _successors(survivors), len(survivors) + draining
    staying = [worker for worker in survivors if worker.retiring_at is None]
    if not serves:
        return _count(staying, limits.max_sessions, live)
    members = [worker for worker in staying if worker.id not in serves]
    leaving = [worker for worker in staying if worker.id in serves]
    relieved = [worker for worker in leaving if serves[worker.id] and worker.phase is Phase.SERVING]
    replacing = [worker for worker in leaving if not serves[worker.id]]
    return _count(members, limits.max_sessions, live)._replace(relieved=relieved, replacing=replacing)


def _count(members: list[WorkerView], cap: int, live: int) -> Census:
    """Count in one go: a place is free of an open member, or soon will be, that says not that it is full."""
    paused = places = open_ = booting = unborn = held = shut = 0
    for worker in members:
        sessions = worker.sessions
        if worker.paused_by or worker.spent:
            paused += Owner.POLICY in worker.paused_by
            shut += max(0, sessions)
            continue
        open_ += 1
        if worker.phase is _BOOTING:
            booting += 1
            unborn += not worker.born
        if sessions > 0:
            held += sessions
        if not cap:
            places += is_spare(worker)
        elif sessions < cap and not worker.full:
            places += cap - sessions
    n, sessions = len(members) - paused, held + shut
    return Census(members, [], [], n, places, live, cap, open_, booting, unborn, sessions, held)


def is_spare(worker: WorkerView) -> bool:
    """Tell whether a member holds no session and may accept, or soon will."""
    return not (worker.paused_by or worker.spent) and (worker.sessions == 0 or worker.phase is Phase.BOOTING)


def _successors(survivors: Sequence[WorkerView]) -> dict[WorkerId, bool]:
    """Return who is being replaced, and whether a successor serves."""
    serves: dict[WorkerId, bool] = {}
    for worker in survivors:
        old = worker.replaces
        if old is not None and old != worker.id:
            serves[old] = serves.get(old, False) or worker.phase is Phase.SERVING
    return serves
