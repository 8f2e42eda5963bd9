"""Recorded load, played: so many arrivals in each bin, or every arrival by itself. Read by `recordings.py`.

Theory. A count says how many came within a bin, not when. Spread as `poisson` they lie as those of a Poisson process
do, given their number; `evenly` gives the smoothest load with these counts. The truth is often rougher than both, so a
figure that rests on a coarse trace should say how its bins were spread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefork.policy.units import NS
from prefork.simulation.crowds import before, evenly, scattered
from prefork.simulation.durations import at_least
from prefork.simulation.traffic import Traffic, positive_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefork.simulation.durations import Duration
    from prefork.simulation.traffic import Seed, Session

Spread = Literal["poisson", "evenly"]


class Counts(NamedTuple):
    """Arrivals in each bin of `width` seconds, one after the other without a gap: `Trace(*counts)` plays them."""

    counts: tuple[int, ...]
    width: float


@dataclass(frozen=True)
class Trace(Traffic):
    """So many arrivals in each bin of `width`, times `scale`; lasts as long as the counts do, or `lasts`."""

    counts: Sequence[int]
    width: Duration = "1m"
    spread: Spread = "poisson"
    scale: float = 1.0
    """A fraction of an arrival is one with that probability."""
    lasts: Duration | None = field(default=None, kw_only=True)  # type: ignore[assignment]

    @property
    def lasts_ns(self) -> int:
        """To the end of the last bin, in ns."""
        if not self.counts:
            raise ValueError("the trace has no counts: it needs one for each bin")
        whole = positive_ns(self.width, "width") * len(self.counts)
        return whole if self.lasts is None else min(whole, positive_ns(self.lasts, "lasts"))

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw, bin by bin."""
        width, scale = positive_ns(self.width, "width"), at_least(self.scale, 0.0, "scale")
        for index, counted in enumerate(self.counts):
            at_least(counted, 0, f"counts[{index}]")
            clients = int(counted * scale + rng.random())
            if index * width >= end:
                return
            if self.spread == "evenly":
                yield from before(end, evenly(clients, index * width, width))
            else:
                yield from before(end, scattered(rng, clients, index * width, width))


@dataclass(frozen=True)
class Recorded(Traffic):
    """Every arrival by itself (ns since the start, never falling), for as long as it lasted, or as `length` draws.

    With a `scale` under 1 some don't come; over 1, others come beside each, before the next one does.
    """

    arrivals: Sequence[int]
    lengths: Sequence[int] | None = None
    """In ns, one for each arrival; None: drawn."""
    scale: float = 1.0
    lasts: Duration | None = field(default=None, kw_only=True)  # type: ignore[assignment]

    @property
    def lasts_ns(self) -> int:
        """As said, in ns; else to the end of the second in which the last one came."""
        whole = (self.arrivals[-1] // NS + 1) * NS if self.arrivals else NS
        return whole if self.lasts is None else positive_ns(self.lasts, "lasts")

    def sessions(self, seed: Seed) -> Iterator[Session]:
        """As recorded, scaled."""
        rng, draw = Random(f"{seed} instants"), self.length.drawing(Random(f"{seed} lengths"))
        scale, end = at_least(self.scale, 0.0, "scale"), self.lasts_ns
        for index, at in enumerate(self.arrivals):
            if at >= end:
                return
            for instant in self._copies(index, rng, scale):
                if instant < end:
                    yield instant, draw() if self.lengths is None else self.lengths[index]

    def _copies(self, index: int, rng: Random, scale: float) -> Iterator[int]:
        at, copies = self.arrivals[index], 1 if scale == 1 else int(scale + rng.random())
        if copies:
            yield at
        following = self.arrivals[index + 1] if index + 1 < len(self.arrivals) else at
        yield from scattered(rng, max(0, copies - 1), at, following - at)
