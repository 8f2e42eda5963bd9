"""Clients that don't come independently: by the clock, or all again at once; and arrivals that somebody has listed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from prefork.simulation.durations import as_ns, at_least
from prefork.simulation.traffic import Traffic, positive_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from prefork.simulation.durations import Duration
    from prefork.simulation.traffic import Seed, Session


@dataclass(frozen=True)
class ClockBursts(Traffic):
    """Every `every`, on the clock, `clients` come within `within`: cron jobs, health checks, tickers."""

    clients: int
    every: Duration = "1m"
    within: Duration = "100ms"

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw; the first burst is one `every` after the start."""
        every, within = positive_ns(self.every, "every"), as_ns(self.within, "within")
        if within >= every:
            raise ValueError(f"within ({self.within}) is not under every ({self.every}): the bursts would overlap")
        for start in range(every, end, every):
            yield from before(end, scattered(rng, self.clients, start, within))


@dataclass(frozen=True)
class Reconnect(Traffic):
    """Clients that stay connected, all cut off at `at`: they come again within `within`, for sessions of `length`.

    They first come evenly over the first half of the time before `at`.
    """

    clients: int
    at: Duration = "1m"
    within: Duration = "1s"

    @property
    def settled_at(self) -> int | None:
        """When all have come again."""
        return as_ns(self.at, "at") + as_ns(self.within, "within")

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw: the first arrivals, then all again."""
        at = as_ns(self.at, "at")
        yield from before(end, evenly(self.clients, 0, at // 2))
        yield from before(end, scattered(rng, self.clients, at, as_ns(self.within, "within")))

    def sessions(self, seed: Seed) -> Iterator[Session]:
        """Who came before the storm stays until it."""
        cut = as_ns(self.at, "at")
        for at, length in super().sessions(seed):
            yield at, cut - at if at < cut else length


@dataclass(frozen=True)
class Replay(Traffic):
    """Arrivals that are listed: (instant, length) in ns since the start, earliest first. `length` means nothing.

    An iterable that can be gone through only once makes one run.
    """

    listed: Iterable[Session]

    def sessions(self, seed: Seed) -> Iterator[Session]:  # noqa: ARG002 - nothing is drawn
        """As listed. Raises ValueError for one that comes before its predecessor, or lasts less than nothing."""
        last, end = 0, self.lasts_ns
        for at, length in self.listed:
            if at < last or length < 0:
                raise ValueError(f"session ({at}, {length}): instants never fall and start at 0, no length is negative")
            if at >= end:
                return
            last = at
            yield at, length


def before(end: int, instants: Iterator[int]) -> Iterator[int]:
    """Those that are before `end`, of instants that never fall."""
    return takewhile(lambda at: at < end, instants)


def scattered(rng: Random, clients: int, start: int, width: int) -> Iterator[int]:
    """Independent instants in [start, start + width), earliest first, drawn one after the other: nothing is sorted.

    So arrivals of a Poisson process lie, given how many there are. Source: the least of n even numbers in [0, 1) is
    1 - u ** (1 / n), and the rest are even above it (Bentley, Saxe 1980).
    """
    at_least(clients, 0, "clients")
    left = 1.0
    for remaining in range(clients, 0, -1):
        left *= (1.0 - rng.random()) ** (1.0 / remaining)
        yield start + min(int((1.0 - left) * width), max(0, width - 1))


def evenly(clients: int, start: int, width: int) -> Iterator[int]:
    """Instants in [start, start + width) with equal gaps."""
    return (start + width * index // clients for index in range(clients))
