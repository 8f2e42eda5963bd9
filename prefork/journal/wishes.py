"""What another policy wants and doesn't get: it wants that again at each look, and it is told once while it stands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prefork.policy.model import Decision

Acts = Counter[tuple[str, int | None]]
"""(kind, worker) -> how many, whatever the reason; births have no worker."""


class News(NamedTuple):
    """Of one look."""

    done: tuple[Decision, ...]
    """By the pool, and not wished for before."""
    wanted: tuple[Decision, ...]
    """And not wished for before."""


class Wishes:
    """Of one policy."""

    def __init__(self) -> None:
        self._standing: Acts = Counter()

    def news(self, wanted: Sequence[Decision], done: Sequence[Decision]) -> News:
        """Leave out what stands: until it is done, or none of it is wanted any more; what it wants less is no news."""
        news = News(_without(done, self._standing), _without(wanted, self._standing))
        most = self._standing | acts(wanted)
        self._standing = Counter({act: most[act] for act in acts(wanted)}) - acts(done)
        return news

    def stands(self, kind: str) -> bool:
        """Whether one of that kind isn't done."""
        return any(count > 0 for (each, _), count in self._standing.items() if each == kind)


def acts(decisions: Iterable[Decision]) -> Acts:
    """What would be done."""
    return Counter(act_of(each) for each in decisions)


def act_of(decision: Decision) -> tuple[str, int | None]:
    """`kill (dump)` of a worker."""
    kind = f"kill ({decision.step})" if decision.kind == "kill" else decision.kind
    return kind, getattr(decision, "worker", None)


def _without(decisions: Iterable[Decision], known: Acts) -> tuple[Decision, ...]:
    left, found = Counter(known), []
    for each in decisions:
        act = act_of(each)
        if left[act] > 0:
            left[act] -= 1
        else:
            found.append(each)
    return tuple(found)
