"""Who comes when, and for how long: arrivals as iterators made from a seed. Nothing is held but the next arrival.

Theory. Independent clients make a Poisson process, whose rate may change with time; the kinds below are rates as
functions of time. Piecewise constant ones are drawn piece by piece, which is exact since a Poisson process has no
memory; smooth ones by thinning (Lewis, Shedler 1979): draw at the highest rate, keep each with rate/highest. Instants
and lengths come from two generators, so that other lengths leave the instants as they are. Clients that act on a clock,
or all at once, are no Poisson process: those kinds are in `crowds.py`, recorded load is in `traces.py`.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING

from prefork.policy.units import NS
from prefork.simulation.durations import as_ns, at_least
from prefork.simulation.lengths import Exponential, Length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prefork.simulation.durations import Duration

Seed = int | str
Session = tuple[int, int]
"""Instant of arrival since the start, and length: both in ns."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Arrivals for `lasts`, each a session of a length drawn from `length`. Two can be added: both come."""

    lasts: Duration = "10m"
    length: Length = field(default_factory=Exponential)

    @property
    def lasts_ns(self) -> int:
        """How long arrivals come, in ns."""
        return positive_ns(self.lasts, "lasts")

    @property
    def settled_at(self) -> int | None:
        """The instant (ns) from which nothing changes but by chance; None: there is none."""
        return None

    def instants(self, rng: Random, end: int) -> Iterator[int]:  # noqa: ARG002 - a kind of traffic draws from them
        """Arrivals before `end`, in ns since the start, never falling; none by default. Raises ValueError."""
        return iter(())

    def sessions(self, seed: Seed) -> Iterator[Session]:
        """Every arrival before `lasts` with its length, in order; the same for the same seed. Raises ValueError."""
        end, draw = self.lasts_ns, self.length.drawing(Random(f"{seed} lengths"))
        for at in self.instants(Random(f"{seed} instants"), end):
            yield at, draw()

    def __add__(self, other: Traffic) -> Traffic:
        return Together(self, other, lasts=max(self.lasts_ns, other.lasts_ns) / NS)


@dataclass(frozen=True)
class Together(Traffic):
    """Both of two; made by `+`."""

    first: Traffic
    second: Traffic

    @property
    def settled_at(self) -> int | None:
        """When the later one is settled."""
        both = self.first.settled_at, self.second.settled_at
        return None if None in both else max(at for at in both if at is not None)

    def sessions(self, seed: Seed) -> Iterator[Session]:
        """Merge; each of the two has a seed of its own."""
        return heapq.merge(self.first.sessions(f"{seed} first"), self.second.sessions(f"{seed} second"))


@dataclass(frozen=True)
class Poisson(Traffic):
    """Independent clients at a constant rate, in arrivals a second."""

    rate: float

    @property
    def settled_at(self) -> int | None:
        """From the start."""
        return 0

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw."""
        return piecewise(rng, [(0, end, self.rate)])


@dataclass(frozen=True)
class Step(Traffic):
    """The rate is `before`, then at once `after`."""

    before: float
    after: float
    at: Duration = "1m"

    @property
    def settled_at(self) -> int | None:
        """From the step."""
        return as_ns(self.at, "at")

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw."""
        at = min(as_ns(self.at, "at"), end)
        return piecewise(rng, [(0, at, self.before), (at, end, self.after)])


@dataclass(frozen=True)
class Square(Traffic):
    """Half of each period at the rate `low`, half at `high`."""

    low: float
    high: float
    period: Duration = "2m"

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw."""
        half = positive_ns(self.period, "period") // 2
        halves = ((half, rate) for rate in cycle((self.low, self.high)))
        return piecewise(rng, consecutive(halves, end))


@dataclass(frozen=True)
class Sine(Traffic):
    """The rate is `mean` * (1 + `swing` * sin): a day in small."""

    mean: float
    swing: float = 0.8
    """0: constant, 1: down to nothing."""
    period: Duration = "10m"

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw."""
        if not 0 <= self.swing <= 1:
            raise ValueError(f"swing ({self.swing:g}) would make rates negative: write a number from 0 to 1")
        turn = 2 * math.pi / positive_ns(self.period, "period")
        most = self.mean * (1 + self.swing)
        return thinned(rng, lambda at: self.mean * (1 + self.swing * math.sin(at * turn)), most, end)


@dataclass(frozen=True)
class Flash(Traffic):
    """A flash crowd: from `base` up to `peak` within `rise`, then the excess halves every `halves`."""

    base: float
    peak: float
    at: Duration = "1m"
    rise: Duration = "5s"
    halves: Duration = "30s"

    @property
    def settled_at(self) -> int | None:
        """When a hundredth of the excess is left."""
        return as_ns(self.at, "at") + as_ns(self.rise, "rise") + 7 * as_ns(self.halves, "halves")

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw."""
        if self.peak < self.base:
            raise ValueError(f"peak ({self.peak:g}) is under base ({self.base:g}): no crowd comes")
        return thinned(rng, self._rate(), self.peak, end)

    def _rate(self) -> Callable[[int], float]:
        begins, rise, halves = as_ns(self.at, "at"), as_ns(self.rise, "rise"), positive_ns(self.halves, "halves")
        base, excess = self.base, self.peak - self.base

        def rate(at: int) -> float:
            since = at - begins
            if since < 0:
                return base
            return base + excess * (since / rise if since < rise else 0.5 ** ((since - rise) / halves))

        return rate


@dataclass(frozen=True)
class OnOff(Traffic):
    """At `rate` while on, nobody while off; both periods are exponential: an interrupted Poisson process."""

    rate: float
    on: Duration = "20s"
    off: Duration = "40s"

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw; it begins off."""
        on, off = positive_ns(self.on, "on"), positive_ns(self.off, "off")
        periods = cycle(((off, 0.0), (on, self.rate)))
        drawn = ((1 + int(rng.expovariate(1.0) * mean), rate) for mean, rate in periods)
        return piecewise(rng, consecutive(drawn, end))


def piecewise(rng: Random, pieces: Iterable[tuple[int, int, float]]) -> Iterator[int]:
    """Draw arrivals from (start, end, rate a second) pieces that follow one another."""
    for start, end, rate in pieces:
        if not at_least(rate, 0.0, "rate"):
            continue
        mean, at, draw = NS / rate, start, rng.expovariate
        while True:
            at += int(draw(1.0) * mean)
            if at >= end:
                break
            yield at


def consecutive(pieces: Iterable[tuple[int, float]], end: int) -> Iterator[tuple[int, int, float]]:
    """Turn (duration, rate) into (start, end, rate), up to `end`."""
    at = 0
    for duration, rate in pieces:
        yield at, min(at + duration, end), rate
        at += duration
        if at >= end:
            return


def thinned(rng: Random, rate: Callable[[int], float], most: float, end: int) -> Iterator[int]:
    """Draw arrivals at `rate(instant)` a second, which is never over `most`."""
    for at in piecewise(rng, [(0, end, most)]):
        if rng.random() * most < rate(at):
            yield at


def positive_ns(duration: Duration, name: str) -> int:
    """Return nanoseconds. Raises ValueError for none: a loop over such pieces would stand still."""
    ns = as_ns(duration, name)
    if ns < 2:  # noqa: PLR2004 - it has two halves
        raise ValueError(f"{name} ({duration}) is too short: write a longer duration, such as 1s")
    return ns
