"""Apache's prefork MPM: too few idle, and the births double each second; too many, and one a second goes."""

from __future__ import annotations

from dataclasses import dataclass

from prefork.simulation.peers.frame import Peer, Seen, Wish


@dataclass(frozen=True)
class Apache(Peer[int]):
    """Its memory is the number of births of the next cycle that finds too few.

    A cycle that reaps a child maintains nothing, but takes no time either: the loop sleeps its second only when nobody
    had died. So maintenance comes each second all the same. Source: server/mpm/prefork/prefork.c, and
    ap_wait_or_timeout in mpm_common.c.
    """

    tick: float = 1.0
    start_servers: int = 5
    min_spare: int = 5
    max_spare: int = 10
    max_spawn_rate: int = 32

    def begin(self, seen: Seen) -> Wish[int]:  # noqa: ARG002 - whatever the pool
        """Start StartServers."""
        return Wish(1, self.start_servers)

    def on_tick(self, seen: Seen, own: int) -> Wish[int]:
        """A child that starts is idle; births are not capped to what is missing."""
        idle = seen.idle + seen.booting
        if idle > self.max_spare:
            return Wish(1, ends=tuple(seen.candidates()[-1:] if seen.places <= 1 else seen.candidates()[:1]))
        if idle >= self.min_spare or seen.live >= seen.most:
            return Wish(1)
        return Wish(min(2 * own, self.max_spawn_rate), own)
