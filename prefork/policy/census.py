"""Who counts as what: the numbers that pool rules compare, taken from the workers that outlived their own rules.

Theory. A worker is *live* (counts against max_workers) until it exits or its kill has begun. It is a *member* (counts
for min_workers, may be a spare) while it is BOOTING or SERVING and not leaving: no live worker was born to replace it,
and it was not told to retire. Draining workers are no members and no spares; a spent one, whose gate is shut for good,
is a member and no spare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.model import Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from prefork.policy.limits import Limits
    from prefork.policy.model import WorkerId, WorkerView


class Census(NamedTuple):
    """The counts of one look."""

    members: list[WorkerView]
    """BOOTING or SERVING and not leaving."""
    relieved: list[WorkerView]
    """SERVING workers whose successor serves."""
    replacing: list[WorkerView]
    """Workers whose successor still boots."""
    n: int
    """How many members."""
    places: int
    """Free ones, of members; without a cap a worker is one place."""
    live: int
    cap: int

    @property
    def spare(self) -> int:
        """Workers' worth of free places."""
        return self.places // max(1, self.cap)

    def without(self, gone: Collection[WorkerId]) -> Census:
        """Count again once the members named in `gone` have been told to go; they stay live until they are."""
        if not gone:
            return self
        members = [worker for worker in self.members if worker.id not in gone]
        olds = {worker.replaces for worker in self.members if worker.id in gone}
        replacing = [worker for worker in self.replacing if worker.id not in olds]
        places = places_of(members, self.cap)
        return self._replace(members=members, n=len(members), replacing=replacing, places=places)

    def less(self, worker: WorkerView) -> Census:
        """Count without this member, for what is needed then; the lists stay as they are."""
        return self._replace(n=self.n - 1, places=self.places - places_of([worker], self.cap))

    def replaced(self, old: WorkerView) -> Census:
        """Count again once `old`, a member, has a successor that boots: a spare comes, and what was free of it goes."""
        places = self.places + max(1, self.cap) - places_of([old], self.cap)
        return self._replace(places=places, live=self.live + 1, replacing=[*self.replacing, old])


def take_census(survivors: Sequence[WorkerView], draining: int, limits: Limits) -> Census:
    """Count; `survivors` are the BOOTING and SERVING workers that no worker rule has spoken about."""
    serves = _successors(survivors)
    staying = [worker for worker in survivors if worker.retiring_at is None]
    members = [worker for worker in staying if worker.id not in serves]
    leaving = [worker for worker in staying if worker.id in serves]
    relieved = [worker for worker in leaving if serves[worker.id] and worker.phase is Phase.SERVING]
    replacing = [worker for worker in leaving if not serves[worker.id]]
    cap = limits.max_sessions
    return Census(members, relieved, replacing, len(members), places_of(members, cap), len(survivors) + draining, cap)


def places_of(members: Sequence[WorkerView], cap: int) -> int:
    """Return how many sessions more they may take, or soon will: none who is full, spent, or paused by anybody."""
    if not cap:
        return len([worker for worker in members if is_spare(worker)])
    open_ = [worker for worker in members if not (worker.paused_by or worker.spent or worker.full)]
    return sum([cap - worker.sessions for worker in open_ if worker.sessions < cap])


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
