"""DelayedOff: a worker for each connection that finds nobody, which waits a while for the next before it goes.

Source: Gandhi, Gupta, Harchol-Balter, Kozuch, "Optimality analysis of energy-performance trade-off for server farm
management", Performance Evaluation 67 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

from prefork.simulation.peers.frame import Peer, Seen, Wish, idle_for


@dataclass(frozen=True)
class DelayedOff(Peer[None]):
    """As many boot as connections wait: one whose connection found another worker stands for the next that waits."""

    tick: float = 60.0
    """Its clock does nothing."""
    wait: float = 10.0
    """Seconds of idleness."""

    def begin(self, seen: Seen) -> Wish[None]:  # noqa: ARG002 - whatever the pool
        """Start nobody."""
        return Wish(None)

    def on_look(self, seen: Seen, own: None) -> Wish[None]:
        """Compare who waits with places that come."""
        due, wake = idle_for(seen, self.wait)
        wanted = -(-seen.queue // max(1, seen.places))
        return Wish(own, wanted - seen.booting, due, wake)
