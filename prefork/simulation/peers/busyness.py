"""uWSGI's plugin cheaper_busyness: how busy the workers were in the last three seconds.

Source: plugins/cheaper_busyness/cheaper_busyness.c. Its workers tell their running time when a request ends; here it is
known at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from prefork.policy.units import NS, nanoseconds
from prefork.simulation.peers.frame import Seen, Wish
from prefork.simulation.peers.uwsgi import Cheaper


class Business(NamedTuple):
    """What it remembers; instants in ns."""

    checked_at: int
    held_ns: int
    next_cheap_at: int
    multiplier: int
    cheaped_at: int | None = None
    emergency: int = 0
    """Workers born because of the queue that are not yet made up for."""
    tolerated: int = 0
    """Checks in a row between the two bounds."""
    cheaped_last: bool = False


@dataclass(frozen=True)
class UwsgiBusyness(Cheaper[Business]):
    """Over `most`: one more; under `least`: one less, once `overload` * multiplier seconds are over."""

    tick: float = 1.0
    cheaper: int | None = None
    overload: float = 3.0
    """Seconds of a check."""
    step: int = 1
    most: float = 0.5
    least: float = 0.25
    multiplier: int = 10
    penalty: int = 2
    """Added to the multiplier for a birth soon after an end."""
    backlog_alert: int = 33
    backlog_multiplier: int = 3
    needs_places = True

    def begin(self, seen: Seen) -> Wish[Business]:
        """Start `cheaper`."""
        own = Business(seen.now, seen.held_ns, 0, self.multiplier)
        return Wish(self._waiting(own, seen.now), self.kept(seen))

    def on_tick(self, seen: Seen, own: Business) -> Wish[Business]:
        """Check each `overload` seconds; look at the queue each tick."""
        alert = seen.queue > self.backlog_alert and seen.n < seen.most
        if seen.now - own.checked_at < nanoseconds(self.overload):
            return self._emergency(seen, own) if alert else Wish(own)
        places = seen.n * seen.places * (seen.now - own.checked_at)
        busy = min(1.0, (seen.held_ns - own.held_ns) / places) if places else 0.0
        own = own._replace(checked_at=seen.now, held_ns=seen.held_ns)
        if busy > self.most:
            return self._more(seen, own)
        if alert:
            return self._emergency(seen, own)
        if seen.n == 1:
            return Wish(own)
        return self._fewer(seen, own) if busy < self.least else Wish(self._tolerate(seen, own))

    def _more(self, seen: Seen, own: Business) -> Wish[Business]:
        own = own._replace(tolerated=0)
        if seen.n >= seen.most:
            return Wish(own)
        checks = None if own.cheaped_at is None else (seen.now - own.cheaped_at) // nanoseconds(self.overload)
        soon = checks is not None and checks <= own.multiplier
        own = own._replace(multiplier=own.multiplier + self.penalty) if soon else self._forgiven(own)
        return Wish(self._waiting(own._replace(cheaped_last=False), seen.now), self.step)

    def _emergency(self, seen: Seen, own: Business) -> Wish[Business]:
        own = own._replace(multiplier=self.multiplier, cheaped_last=False, emergency=own.emergency + 1)
        return Wish(self._waiting(own, seen.now), 1)

    def _fewer(self, seen: Seen, own: Business) -> Wish[Business]:
        own = own._replace(tolerated=0)
        if seen.n <= self.kept(seen) or seen.now < own.next_cheap_at:
            return Wish(own)
        own = self._waiting(self._forgiven(own) if own.cheaped_last else own, seen.now)
        own = own._replace(cheaped_at=seen.now, cheaped_last=True, emergency=max(0, own.emergency - 1))
        return self.less(seen, own)

    def _tolerate(self, seen: Seen, own: Business) -> Business:
        own = own._replace(emergency=max(0, own.emergency - 1), tolerated=own.tolerated + 1)
        if own.tolerated >= 3:  # noqa: PLR2004 - checks
            return self._waiting(own, seen.now)
        return own._replace(next_cheap_at=own.next_cheap_at + nanoseconds(self.overload))

    def _waiting(self, own: Business, now: int) -> Business:
        """The time until the next end begins anew."""
        multiplier = self.backlog_multiplier if own.emergency else own.multiplier
        return own._replace(next_cheap_at=now + int(self.overload * multiplier * NS))

    def _forgiven(self, own: Business) -> Business:
        return own._replace(multiplier=max(self.multiplier, own.multiplier - 1))
