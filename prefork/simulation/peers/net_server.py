"""Perl's Net::Server::PreFork: at each report of a child it births whatever is missing, and seldom lets anybody go.

Source: Net/Server/PreFork.pm. min_spare_servers is documented as 2 and is min_servers in effect, 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from prefork.policy.units import nanoseconds
from prefork.simulation.peers.frame import Peer, Seen, Wish


class Last(NamedTuple):
    """When things last happened, and how many connections had come."""

    came: int
    processed_at: int
    checked_at: int
    killed_at: int
    started_at: int


@dataclass(frozen=True)
class NetServer(Peer[Last]):
    """Children that boot wait for work, to it."""

    tick: float = 10.0
    """Without any report it looks all the same."""
    min_servers: int = 5
    min_spare: int = 5
    max_spare: int = 10
    check_for_waiting: float = 10.0
    """From one look at too many spares to the next, and from one trim to the next."""
    min_child_ttl: float = 10.0
    """From a birth to a trim."""
    quiet: float = 30.0
    """Without a request for so long it goes down to min_spare."""

    def begin(self, seen: Seen) -> Wish[Last]:
        """Start min_servers."""
        return Wish(Last(seen.came, seen.now, seen.now, seen.now, seen.now), self.min_servers)

    def on_look(self, seen: Seen, own: Last) -> Wish[Last]:
        """Births first; then too many spares, and a pool that nobody uses."""
        now, waiting = seen.now, seen.idle + seen.booting
        if seen.came > own.came:
            own = own._replace(came=seen.came, processed_at=now)
        births = min(max(self.min_servers - seen.n, self.min_spare - waiting), seen.most - seen.n)
        if births > 0:
            own = own._replace(started_at=now)
        many = 0
        if now - own.checked_at > nanoseconds(self.check_for_waiting):
            own = own._replace(checked_at=now)
            if now - own.started_at > nanoseconds(self.min_child_ttl):
                many = waiting - self.max_spare
        if many <= 0 and now - own.processed_at > nanoseconds(self.quiet):
            many = waiting - self.min_spare
        many = min(many, seen.n - self.min_servers)
        if many <= 0 or now - own.killed_at <= nanoseconds(self.check_for_waiting):
            return Wish(own, max(0, births))
        return Wish(own._replace(killed_at=now), max(0, births), tuple(seen.candidates()[:many]))
