"""uWSGI's cheaper subsystem, with three of its algorithms. `cheaper` has no default there: None is min_workers here.

Whoever is cheaped is the oldest idle worker. Source: core/master_utils.c; cheaper_overload is 3, cheaper_step 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from prefork.simulation.peers.frame import Own, Peer, Seen, Wish


class Cycles(NamedTuple):
    """Seconds in which all were busy, and in which more than one was idle."""

    overloaded: int = 0
    idle: int = 0


class Cheaper(Peer[Own]):
    """What the algorithms share."""

    cheaper: int | None

    def kept(self, seen: Seen) -> int:
        """Return `cheaper`."""
        return seen.least if self.cheaper is None else self.cheaper

    def less(self, seen: Seen, own: Own) -> Wish[Own]:
        """Let one go, above `cheaper`."""
        return Wish(own, ends=tuple(seen.candidates()[:1]) if seen.n > self.kept(seen) else ())


@dataclass(frozen=True)
class UwsgiSpare(Cheaper[Cycles]):
    """All busy for three cycles: one more; more than one idle for three: one less.

    A child that boots is busy with no request: it counts as idle.
    """

    tick: float = 1.0
    cheaper: int | None = None
    overload: int = 3
    step: int = 1

    def begin(self, seen: Seen) -> Wish[Cycles]:
        """Start `cheaper`."""
        return Wish(Cycles(), self.kept(seen))

    def on_tick(self, seen: Seen, own: Cycles) -> Wish[Cycles]:
        """Count cycles."""
        idle = seen.idle + seen.booting
        own = Cycles(max(0, own.overloaded - 1), own.idle) if idle else Cycles(own.overloaded + 1)
        if own.overloaded >= self.overload:
            return Wish(own._replace(overloaded=0), self.step)
        if own.overloaded or idle == 1:
            return Wish(own)
        own = own._replace(idle=own.idle + 1)
        return Wish(own) if own.idle % self.overload else self.less(seen, own)


@dataclass(frozen=True)
class UwsgiSpare2(Cheaper[int]):
    """Keep `cheaper` idle; its memory is the cycles in which more were."""

    tick: float = 1.0
    cheaper: int | None = None
    step: int = 1
    idle_cycles: int = 10

    def begin(self, seen: Seen) -> Wish[int]:
        """Start `cheaper`."""
        return Wish(0, self.kept(seen))

    def on_tick(self, seen: Seen, own: int) -> Wish[int]:
        """Who boots counts as idle."""
        idle, wanted = seen.idle + seen.booting, self.kept(seen)
        if idle < wanted:
            return Wish(0, min(self.step, wanted - idle))
        if idle == wanted:
            return Wish(0)
        return Wish(own + 1) if own + 1 < self.idle_cycles else self.less(seen, 0)


@dataclass(frozen=True)
class UwsgiBacklog(Cheaper[None]):
    """More than `overload` wait: one more; fewer: one less."""

    tick: float = 1.0
    cheaper: int | None = None
    overload: int = 3
    step: int = 1

    def begin(self, seen: Seen) -> Wish[None]:
        """Start `cheaper`."""
        return Wish(None, self.kept(seen))

    def on_tick(self, seen: Seen, own: None) -> Wish[None]:
        """Look at the accept queue alone."""
        if seen.queue > self.overload:
            return Wish(own, self.step)
        return self.less(seen, own) if seen.queue < self.overload else Wish(own)
