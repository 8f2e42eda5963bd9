"""Calls to make later: a heap that tells the next instant. Sans-IO; instants are monotonic nanoseconds."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NEVER = 1 << 62
"""Later than any instant."""
_FEW = 64


def _nothing(*_args: object) -> None:
    """What is left of a call that an earlier one of the same instant cancelled."""


class Entry:
    """One call to make; `cancel` may come at any time, any number of times."""

    __slots__ = ("_args", "_fn", "_timers")

    def __init__(self, timers: Timers, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._timers = timers
        self._fn: Callable[..., object] | None = fn
        self._args = args

    @property
    def is_over(self) -> bool:
        """Whether the call was made or cancelled."""
        return self._fn is None

    def cancel(self) -> None:
        """The call will not be made."""
        if self._fn is not None:
            self._fn = None
            self._args = ()
            self._timers.forget_one()

    def take(self) -> tuple[Callable[..., object], tuple[Any, ...]]:
        """The call, which is over by that."""
        fn, args = self._fn, self._args
        self._fn = None
        self._args = ()
        return fn or _nothing, args

    def fire(self) -> None:
        """Make the call."""
        fn, args = self.take()
        fn(*args)


class Timers:
    """The calls of one loop, earliest first; those of one instant in the order in which they were added."""

    __slots__ = ("_cancelled", "_count", "_heap", "next_at")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Entry]] = []
        self._count = 0
        self._cancelled = 0
        self.next_at = NEVER
        """The instant of the first call."""

    def add(self, when: int, fn: Callable[..., object], *args: Any) -> Entry:  # noqa: ANN401 - any call
        """Call `fn(*args)` at `when` or soon after."""
        entry = Entry(self, fn, args)
        self.push(when, entry)
        return entry

    def push(self, when: int, entry: Entry) -> None:
        """Fire `entry`, which is new, at `when` or soon after."""
        self._count += 1
        heappush(self._heap, (when, self._count, entry))
        self.next_at = self._heap[0][0]

    def fire(self, now: int) -> None:
        """Make the calls that are due; one added meanwhile waits for the next time."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            entry = heappop(self._heap)[2]
            if entry.is_over:
                self._cancelled -= 1
            else:
                due.append(entry)
        self._look()
        for entry in due:
            entry.fire()

    def forget_one(self) -> None:
        """An entry was cancelled: the heap stays in proportion to what is to come, and its first is a real one."""
        self._cancelled += 1
        if self._cancelled > _FEW and 2 * self._cancelled > len(self._heap):
            self._heap = [each for each in self._heap if not each[2].is_over]
            heapify(self._heap)
            self._cancelled = 0
        self._look()

    def _look(self) -> None:
        heap = self._heap
        while heap and heap[0][2].is_over:
            heappop(heap)
            self._cancelled -= 1
        self.next_at = heap[0][0] if heap else NEVER
