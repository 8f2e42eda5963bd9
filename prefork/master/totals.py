"""What the sessions of a pool add up to, workers that are gone included: the totals of a view, which never fall."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork import wire

if TYPE_CHECKING:
    from collections.abc import Sequence


class Totals(NamedTuple):
    """Of one worker, or of many."""

    arrivals: int = 0
    """Connections accepted, those included that were refused a session."""
    completions: int = 0
    held_ns: int = 0
    busy_ns: int = 0

    def plus(self, other: Totals) -> Totals:
        """Add up."""
        return Totals(*map(sum, zip(self, other, strict=True)))


def totals_at(words: Sequence[int], now: int) -> Totals:
    """Return a worker's, with what its sessions and its turn have lasted by now."""
    sessions = max(0, words[wire.ACCEPTED] - words[wire.CLOSED])
    held, turn_at = words[wire.HELD], words[wire.TURN_AT]
    if sessions:
        held += sessions * max(0, now - words[wire.HELD_AT])
    busy = words[wire.BUSY] + (max(0, now - turn_at) if turn_at else 0)
    refused = words[wire.REFUSED]
    return Totals(words[wire.ACCEPTED] + refused, words[wire.CLOSED] + refused, held, busy)


def totals_at_death(words: Sequence[int], now: int) -> Totals:
    """Return a worker's whose sessions all ended just now."""
    last = totals_at(words, now)
    return last._replace(completions=last.arrivals)
