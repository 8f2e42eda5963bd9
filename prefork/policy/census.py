"""Who counts as what: the numbers that pool rules compare, taken from the workers that outlived their own rules.

Theory. A worker is *live* (counts against max_workers) until it exits or its kill has begun. It is a *member* (counts
for min_workers, may be a spare) while it is BOOTING or SERVING and not leaving: no live worker was born to replace it,
and it was not told to retire. Draining workers are no members and no spares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.model import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.policy.limits import Limits
    from prefork.policy.model import WorkerId, WorkerView


class Census(NamedTuple):
    """The counts of one look."""

    members: list[WorkerView]
    """BOOTING or SERVING and not leaving."""
    relieved: list[WorkerView]
    """SERVING workers whose successor serves."""
    replacing: int
    """Workers whose successor still boots."""
    spare: int
    live: int

    @property
    def n(self) -> int:
        """Members."""
        return len(self.members)


def take_census(survivors: Sequence[WorkerView], draining: int, limits: Limits) -> Census:
    """Count; `survivors` are the BOOTING and SERVING workers that no worker rule has spoken about."""
    serves = _successors(survivors)
    staying = [worker for worker in survivors if worker.retiring_at is None]
    members = [worker for worker in staying if worker.id not in serves]
    leaving = [worker for worker in staying if worker.id in serves]
    relieved = [worker for worker in leaving if serves[worker.id] and worker.phase is Phase.SERVING]
    free = spares(members, limits.max_sessions)
    return Census(members, relieved, len(leaving) - len(relieved), free, len(survivors) + draining)


def spares(members: Sequence[WorkerView], cap: int) -> int:
    """Return how many workers' worth of places are free; one that anybody paused offers none."""
    if cap > 1:
        return sum(max(0, cap - worker.sessions) for worker in members if not worker.paused_by) // cap
    return len([worker for worker in members if is_spare(worker)])


def is_spare(worker: WorkerView) -> bool:
    """Tell whether a member holds no session and may accept, or soon will."""
    return not worker.paused_by and (worker.sessions == 0 or worker.phase is Phase.BOOTING)


def _successors(survivors: Sequence[WorkerView]) -> dict[WorkerId, bool]:
    """Return who is being replaced, and whether a successor serves."""
    serves: dict[WorkerId, bool] = {}
    for worker in survivors:
        old = worker.replaces
        if old is not None and old != worker.id:
            serves[old] = serves.get(old, False) or worker.phase is Phase.SERVING
    return serves
