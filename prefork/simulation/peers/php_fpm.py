"""php-fpm's process manager: `dynamic` keeps spares by a clock, `ondemand` forks for who comes.

A child that boots is not idle there, so both fork again for the same need. Source: sapi/fpm/fpm/fpm_process_ctl.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefork.policy.units import nanoseconds
from prefork.simulation.peers.frame import Peer, Seen, Wish


@dataclass(frozen=True)
class PhpFpmDynamic(Peer[int]):
    """Its memory is the spawn rate. Defaults are those of the sample pool www.conf, of 5 children."""

    tick: float = 1.0
    start_servers: int = 2
    min_spare: int = 1
    max_spare: int = 3
    max_spawn_rate: int = 32

    def begin(self, seen: Seen) -> Wish[int]:  # noqa: ARG002 - whatever the pool
        """Start pm.start_servers."""
        return Wish(1, self.start_servers)

    def on_tick(self, seen: Seen, own: int) -> Wish[int]:
        """The rate doubles with each second that forks, and begins anew after one that doesn't."""
        idle = seen.idle
        if idle > self.max_spare:
            return Wish(1, ends=tuple(seen.candidates()[:1]))
        births = min(own, self.min_spare - idle, seen.most - seen.n)
        if births <= 0:
            return Wish(1)
        return Wish(own if own >= self.max_spawn_rate else 2 * own, births)


@dataclass(frozen=True)
class PhpFpmOndemand(Peer[int]):
    """Its memory is how many connections it has seen."""

    tick: float = 1.0
    idle_timeout: float = 10.0
    """Seconds without a request."""

    def begin(self, seen: Seen) -> Wish[int]:
        """Start nobody."""
        return Wish(seen.came)

    def on_look(self, seen: Seen, own: int) -> Wish[int]:
        """One child for each new connection that waits, unless somebody is idle."""
        new = min(seen.came - own, seen.queue)
        return Wish(seen.came, 0 if seen.idle else new)

    def on_tick(self, seen: Seen, own: int) -> Wish[int]:
        """Only the oldest idle child is looked at: it goes if its last request is long ago."""
        for oldest in seen.candidates()[:1]:
            if oldest.idle_since is not None and seen.now - oldest.idle_since > nanoseconds(self.idle_timeout):
                return Wish(own, ends=(oldest,))
        return Wish(own)
