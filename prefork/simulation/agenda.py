"""The clock of a run and what is planned: earliest first, and of one instant what was planned first."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = 1000 * NS
"""The clock as the traffic begins. Not 0, which in memories and slots may stand for never."""


class Agenda:
    """`now` is the only clock of a run."""

    __slots__ = ("_planned", "heap", "now")

    def __init__(self) -> None:
        self.now = ORIGIN
        self.heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._planned = 0

    def plan(self, at: int, act: Callable[[Any], None], what: object) -> None:
        """At `at`, or at once where that is past, call act(what)."""
        self._planned += 1
        heappush(self.heap, (at, self._planned, act, what))

    def next(self) -> None:
        """Let happen what is next; the clock never goes back."""
        at, _, act, what = heappop(self.heap)
        self.now = max(self.now, at)
        act(what)
