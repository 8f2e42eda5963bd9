"""A plan in the making: rules speak into it, in the order in which their decisions are to be performed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.model import (
    Because,
    Drain,
    EndMold,
    Kill,
    KillStep,
    Spawn,
    Withheld,
)

if TYPE_CHECKING:
    from typing import Literal

    from prefork.policy.limits import Limits
    from prefork.policy.model import Decision, Figure, Reason


LADDER_STEP_NS = 300_000_000
"""From one step of a kill to the next."""
END_NS = 1_000_000_000
"""How long a mold may take to end once its channel is closed."""


class Draft:
    """What was decided so far in one call of decide(); it never leaves it."""

    def __init__(self, now: int, limits: Limits) -> None:
        self.now = now
        self.limits = limits
        self.decisions: list[Decision] = []
        self.withheld: list[Withheld] = []
        self.next_at: int | None = None

    def say(self, decision: Decision) -> None:
        """Order it, and ask for a look when the deadline is over that its performing begins, if it begins one."""
        self.decisions.append(decision)
        match decision:
            case Spawn():
                self.wake(self.now + self.limits.boot_timeout_ns)
            case Drain(by=by):
                self.wake(by)
            case Kill(step=KillStep.DUMP | KillStep.ABORT):
                self.wake(self.now + LADDER_STEP_NS)
            case EndMold():
                self.wake(self.now + END_NS)

    def withhold(self, want: Literal["spawn", "replace", "start_mold"], count: int, because: Because) -> None:
        """Tell what was wanted; `count` is over 0."""
        self.withheld.append(Withheld(want, count, because))

    def wake(self, at: int | None) -> None:
        """Ask for a look at this instant; one that is past has nothing new to say."""
        if at is not None and at > self.now and (self.next_at is None or at < self.next_at):
            self.next_at = at


def because(reason: Reason, **figures: Figure) -> Because:
    """Write a reason with its figures in the order given."""
    return Because(reason, tuple(figures.items()))
