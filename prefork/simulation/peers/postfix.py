"""Postfix's master(8): it listens itself while nobody is available; a worker leaves after a while without work."""

from __future__ import annotations

from dataclasses import dataclass

from prefork.simulation.peers.frame import Peer, Seen, Wish, idle_for


@dataclass(frozen=True)
class Postfix(Peer[None]):
    """Who boots is available, so births come one after the other. Source: src/master/master_avail.c."""

    tick: float = 60.0
    """Its clock does nothing here."""
    max_idle: float = 100.0

    def begin(self, seen: Seen) -> Wish[None]:  # noqa: ARG002 - whatever the pool
        """Start nobody."""
        return Wish(None)

    def on_look(self, seen: Seen, own: None) -> Wish[None]:
        """One birth while somebody waits and nobody is available."""
        due, wake = idle_for(seen, self.max_idle)
        available = seen.idle + seen.booting
        return Wish(own, 1 if seen.queue and not available else 0, due, wake)
