"""How long sessions last: distributions, each a recipe that draws from a seeded generator. Nothing is drawn at import.

Theory. Two distributions with the same mean and other tails ask for other pools: with an exponential one the time a
session has lasted tells nothing of what is left, with a heavy tail (Pareto, lognormal) the few long ones hold most of
the places. So `mean` is a parameter of each, and the tail is another.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork.simulation.durations import as_ns, at_least, share

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from prefork.simulation.durations import Duration


@dataclass(frozen=True)
class Length(ABC):
    """How long one session lasts."""

    @abstractmethod
    def drawing(self, rng: Random) -> Callable[[], int]:
        """Return what draws the next length, in ns, 0 or more. Raises ValueError for parameters that make none."""


@dataclass(frozen=True)
class Constant(Length):
    """Every session lasts the same."""

    length: Duration = "200ms"

    def drawing(self, rng: Random) -> Callable[[], int]:  # noqa: ARG002 - nothing to draw
        """Return what tells the one length."""
        length = as_ns(self.length, "length")
        return lambda: length


@dataclass(frozen=True)
class Exponential(Length):
    """Memoryless: the time a session has lasted tells nothing of what is left."""

    mean: Duration = "200ms"

    def drawing(self, rng: Random) -> Callable[[], int]:
        """Return what draws."""
        mean, draw = as_ns(self.mean, "mean"), rng.expovariate
        return lambda: int(draw(1.0) * mean)


@dataclass(frozen=True)
class Pareto(Length):
    """A heavy tail: with shape 1.5 a hundredth of the sessions hold a fifth of all time; the variance is infinite."""

    mean: Duration = "200ms"
    shape: float = 1.5
    """Over 1, or there is no mean; the variance is finite over 2."""

    def drawing(self, rng: Random) -> Callable[[], int]:
        """Return what draws."""
        if not 1 < self.shape < math.inf:
            raise ValueError(f"shape ({self.shape:g}) gives Pareto no mean: write a number over 1")
        shape, draw = self.shape, rng.paretovariate
        least = as_ns(self.mean, "mean") * (shape - 1) / shape
        return lambda: int(draw(shape) * least)


@dataclass(frozen=True)
class Lognormal(Length):
    """A tail between the exponential and Pareto's; sigma 1 is common for file sizes and calls."""

    mean: Duration = "200ms"
    sigma: float = 1.0
    """Of the logarithm; 0 is constant."""

    def drawing(self, rng: Random) -> Callable[[], int]:
        """Return what draws."""
        sigma, draw = at_least(self.sigma, 0.0, "sigma"), rng.lognormvariate
        mean = as_ns(self.mean, "mean")
        mu = -sigma * sigma / 2
        return lambda: int(draw(mu, sigma) * mean)


@dataclass(frozen=True)
class LongLived(Length):
    """Most sessions are short, a share is long: web sockets, feeds and tails among requests."""

    share: float = 0.05
    long: Length = Exponential("10m")
    short: Length = Exponential("200ms")

    def drawing(self, rng: Random) -> Callable[[], int]:
        """Return what draws."""
        portion, draw = share(self.share, "share"), rng.random
        long, short = self.long.drawing(rng), self.short.drawing(rng)
        return lambda: long() if draw() < portion else short()
