"""What a run is measured by: a level over time, a histogram of waits, steps of a small number. Flat in memory.

Theory. A histogram of integers whose buckets are a 128th of their value wide (as HdrHistogram's) tells every quantile
to 0.8 % with a few thousand counters, however many waits there are; waits of 0, by far the most, are only counted.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BITS = 7
_WIDTH = 1 << _BITS


class Level:
    """A number that changes with time: its value, its integral, its most. Instants in ns, never falling."""

    __slots__ = ("area", "most", "since", "value")

    def __init__(self, now: int) -> None:
        self.value = 0
        self.area = 0
        """Integral up to `since`, in ns."""
        self.since = now
        self.most = 0
        """Since it was asked last."""

    def change(self, by: int, now: int) -> None:
        """Be more by so many, from now on."""
        self.area += self.value * (now - self.since)
        self.since = now
        self.value += by
        self.most = max(self.most, self.value)

    def most_since_asked(self) -> int:
        """The most since this was asked last."""
        most, self.most = self.most, self.value
        return most

    def area_at(self, now: int) -> int:
        """The integral up to now, in ns."""
        return self.area + self.value * (now - self.since)


class Histogram:
    """How many waits were how long, in ns."""

    def __init__(self) -> None:
        self.counted = 0
        self.total = 0
        """Sum of all waits, in ns: exact."""
        self.longest = 0
        self._buckets: dict[int, int] = {}

    def add(self, ns: int, times: int = 1) -> None:
        """Count one, or several of the same."""
        if not times:
            return
        self.counted += times
        self.total += ns * times
        self.longest = max(self.longest, ns)
        bucket = _bucket(ns)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + times

    def with_more(self, ns: int, times: int) -> Histogram:
        """Another one, with so many more of `ns`."""
        other = Histogram()
        other.counted, other.total, other.longest = self.counted, self.total, self.longest
        other._buckets = dict(self._buckets)
        other.add(ns, times)
        return other

    def quantile(self, portion: float) -> int:
        """The least wait (ns, a bucket's upper end) that `portion` of all don't exceed; 0 of none."""
        rank, below = portion * self.counted, 0
        for bucket, times in sorted(self._buckets.items()):
            below += times
            if below >= rank:
                return min(_end(bucket), self.longest)
        return 0

    def over(self, ns: int) -> int:
        """How many were longer, but for those in the same bucket."""
        limit = _bucket(ns)
        return sum(times for bucket, times in self._buckets.items() if bucket > limit)

    def bars(self) -> Iterator[tuple[int, int]]:
        """(upper end in ns, how many), shortest first: as a plot wants them."""
        return ((_end(bucket), times) for bucket, times in sorted(self._buckets.items()))


def _bucket(ns: int) -> int:
    """Order-preserving: small numbers are their own bucket, others keep their leading eight bits."""
    if ns < _WIDTH:
        return ns
    shift = ns.bit_length() - 1 - _BITS
    return (shift << _BITS) + (ns >> shift)


def _end(bucket: int) -> int:
    """The largest number in the bucket."""
    if bucket < 2 * _WIDTH:
        return bucket
    shift = (bucket >> _BITS) - 1
    return ((bucket - (shift << _BITS) + 1) << shift) - 1


class Steps:
    """A small number over time, kept as its changes: 12 bytes each. Instants in ns since the start of the traffic."""

    def __init__(self) -> None:
        self.instants = array("q")
        self.values = array("i")

    def put(self, at: int, value: int) -> None:
        """It is so much from `at` on; of several words for one instant the last one counts."""
        if self.instants and self.instants[-1] == at:
            self.instants.pop()
            self.values.pop()
        if not self.values or self.values[-1] != value:
            self.instants.append(at)
            self.values.append(value)

    def at(self, ns: int) -> int:
        """Its value at that instant; 0 before the first."""
        index = bisect_right(self.instants, ns)
        return self.values[index - 1] if index else 0

    @property
    def most(self) -> int:
        """The most it ever was."""
        return max(self.values, default=0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.instants, self.values, strict=True)

    def __len__(self) -> int:
        return len(self.instants)
