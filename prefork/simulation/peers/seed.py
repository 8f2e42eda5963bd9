"""The seed: POE::Component::Server::PreforkTCP 0.11, whose pool is looked at each 10 s."""

from __future__ import annotations

from dataclasses import dataclass

from prefork.simulation.peers.frame import Peer, Seen, Wish


@dataclass(frozen=True)
class TheSeed(Peer[None]):
    """Births know no max: it is reached again by trims, of whoever comes first in hash order, busy or not."""

    tick: float = 10.0
    min_servers: int = 5
    """To start with and to keep."""
    min_spare: int = 5
    max_spare: int | None = None
    """None: max_workers - min_servers."""
    clamps = False

    def begin(self, seen: Seen) -> Wish[None]:  # noqa: ARG002 - whatever the pool
        """Start min_servers."""
        return Wish(None, self.min_servers)

    def on_tick(self, seen: Seen, own: None) -> Wish[None]:
        """Compare spares with both bounds; who boots is one."""
        spare = seen.idle + seen.booting
        most = seen.most - self.min_servers if self.max_spare is None else self.max_spare
        births = max(self.min_spare - spare, self.min_servers - seen.n)
        if births > 0:
            return Wish(own, births)
        surplus = max(spare - most, seen.n - seen.most, 0)
        return Wish(own, ends=tuple(sorted(seen.workers, key=lambda worker: _hash(worker.id))[:surplus]))


def _hash(worker: int) -> int:
    """Stand for the order of a Perl hash: arbitrary, and always the same. Source: Knuth's multiplicative hash."""
    return worker * 2_654_435_761 % (1 << 32)
