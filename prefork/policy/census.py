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
    relieved: list[tuple[WorkerView, WorkerView]]
    """SERVING workers whose successor serves: the worker, its successor."""
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
    successors = _successors(survivors)
    members, relieved, replacing = [], [], 0
    for worker in survivors:
        successor = successors.get(worker.id)
        if worker.retiring_at is not None:
            continue
        if successor is None:
            members.append(worker)
        elif successor.phase is Phase.SERVING and worker.phase is Phase.SERVING:
            relieved.append((worker, successor))
        else:
            replacing += 1
    return Census(members, relieved, replacing, spares(members, limits.max_sessions), len(survivors) + draining)


def spares(members: Sequence[WorkerView], cap: int) -> int:
    """Return how many workers' worth of places are free; one that anybody paused offers none."""
    if cap > 1:
        return sum(max(0, cap - worker.sessions) for worker in members if not worker.paused_by) // cap
    return sum(is_spare(worker) for worker in members)


def is_spare(worker: WorkerView) -> bool:
    """Tell whether a member holds no session and may accept, or soon will."""
    return not worker.paused_by and (worker.phase is Phase.BOOTING or worker.sessions == 0)


def _successors(survivors: Sequence[WorkerView]) -> dict[WorkerId, WorkerView]:
    """Return who was born to replace whom; of several, one that serves."""
    found: dict[WorkerId, WorkerView] = {}
    for worker in survivors:
        old = worker.replaces
        if old is None or old == worker.id:
            continue
        other = found.get(old)
        if other is None or _rank(worker) < _rank(other):
            found[old] = worker
    return found


def _rank(worker: WorkerView) -> tuple[bool, int]:
    return worker.phase is not Phase.SERVING, worker.id
