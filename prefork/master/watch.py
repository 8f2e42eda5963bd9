"""The listener watch: tells the master within milliseconds that connections wait, and costs an idle pool nothing.

Theory. A listener is armed once (EPOLLIN | EPOLLONESHOT); when it fires, it is armed again after a gap. One that fires
again at once was readable all the while: after 15 ms of that a doorbell goes to one worker that may accept, and after
15 more without an accept anywhere to all, for a worker that was woken and then declined, was stopped or died has
swallowed the connection's wake-up.

In a stream of connections that is served the gap grows: after a look that led to nothing, and found somebody who
accepts, another one as soon would find the same. An order, a birth, or that nobody accepts ends that at once, and so
does a listener to which nobody came for a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.policy.model import WorkerId

GAP = 5_000_000
"""ns between two looks while arrivals matter."""
CALM_GAP = 20_000_000
"""ns, at most, in a stream that is served."""
LONG_GAP = 1_000_000_000
"""ns, when nobody may accept and nobody can be spawned."""
STUCK = 15_000_000
"""ns for which a queue may be readable before somebody is nudged."""
_AT_ONCE = 3_000_000
"""ns within which a listener that is armed while readable fires."""


@dataclass(slots=True)
class _Listener:
    armed_at: int | None = None
    arm_at: int | None = 0
    fired_at: int = 0
    readable_since: int | None = None
    nudges: int = 0
    accepted: int = 0
    """The pool's total when it was nudged first."""

    def is_overdue(self, now: int) -> bool:
        """It has been readable for too long since it fired first, or since the last nudge."""
        return (
            self.readable_since is not None
            and self.armed_at is None
            and now - self.readable_since >= STUCK * (self.nudges + 1)
        )

    def restart(self, now: int) -> None:
        """Count from here."""
        self.readable_since, self.nudges = now, 0


class ListenerWatch:
    """One watch over `count` listeners; instants in monotonic ns."""

    def __init__(self, count: int) -> None:
        self._listeners = [_Listener() for _ in range(count)]
        self._turn = 0
        self.gap = GAP
        """ns between two looks now."""

    @property
    def next_at(self) -> int | None:
        """When the next listener is to be armed."""
        return min((each.arm_at for each in self._listeners if each.arm_at is not None), default=None)

    @property
    def readable(self) -> frozenset[int]:
        """The listeners that fired and have not been armed again since."""
        return frozenset(
            index
            for index, each in enumerate(self._listeners)
            if each.armed_at is None and each.readable_since is not None
        )

    def fired(self, index: int, now: int) -> None:
        """Connections wait on the listener."""
        each = self._listeners[index]
        again = each.armed_at is not None and now - each.armed_at <= _AT_ONCE
        if each.readable_since is None or not again:
            each.restart(now)
            self.gap = GAP
        each.armed_at, each.fired_at, each.arm_at = None, now, now + self.gap

    def looked(self, *, calm: bool) -> None:
        """The policy has seen what there is. `calm`: nothing follows from it, and whoever comes is accepted."""
        if calm:
            self.gap = min(2 * self.gap, CALM_GAP)
        elif self.gap > GAP:
            self.gap = GAP
            for each in self._listeners:
                if each.arm_at is not None:
                    each.arm_at = min(each.arm_at, each.fired_at + GAP)

    def may_wait(self, looked_at: int) -> int | None:
        """Until when a look that only arrivals ask for may wait, after one at `looked_at`; None: it may not."""
        return looked_at + self.gap if self.gap > GAP else None

    def slow_down(self) -> None:
        """Nobody may accept and nobody can be spawned: look a second after it fired."""
        for each in self._listeners:
            if each.armed_at is None and each.readable_since is not None:
                each.arm_at = each.fired_at + LONG_GAP

    def arm_due(self, now: int, arm: Callable[[int], None]) -> None:
        """Arm those whose gap is over."""
        for index, each in enumerate(self._listeners):
            if each.arm_at is not None and each.arm_at <= now:
                each.arm_at, each.armed_at = None, now
                arm(index)

    def overdue(self, now: int) -> bool:
        """A queue has been readable for so long that somebody should look why."""
        return any(each.is_overdue(now) for each in self._listeners)

    def whom_to_nudge(self, now: int, accepting: Sequence[WorkerId], accepted: int) -> Sequence[WorkerId]:
        """Of the workers that may accept those to be rung; `accepted` is the pool's total of sessions so far."""
        one = everybody = False
        for each in self._listeners:
            if not each.is_overdue(now):
                continue
            if not each.nudges:
                one, each.nudges, each.accepted = True, 1, accepted
            elif each.accepted != accepted:  # somebody takes from the queue: it is long, not stuck
                each.restart(now)
            else:
                everybody, each.nudges = True, each.nudges + 1
        if not accepting or not (one or everybody):
            return ()
        self._turn += 1
        return accepting if everybody else (accepting[self._turn % len(accepting)],)
