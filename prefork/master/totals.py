"""What the sessions of a pool add up to, workers that are gone included: the totals of a view, which never fall."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Totals(NamedTuple):
    """Of one worker, or of many."""

    arrivals: int = 0
    """Connections accepted, those included that were refused a session."""
    completions: int = 0
    held_ns: int = 0
    busy_ns: int = 0

    def plus(self, other: Totals) -> Totals:
        """Add up."""
        arrivals, completions, held, busy = other
        return Totals(
            self.arrivals + arrivals, self.completions + completions, self.held_ns + held, self.busy_ns + busy
        )


def totals_at(slots: Iterable[Sequence[int]], now: int) -> Totals:
    """Return those of workers by the words of their slots, with what sessions and turns have lasted by now."""
    arrivals = completions = held = busy = 0
    for words in slots:
        accepted, closed, refused, turn_at = words[_ACCEPTED], words[_CLOSED], words[_REFUSED], words[_TURN_AT]
        arrivals += accepted + refused
        completions += closed + refused
        held += words[_HELD]
        busy += words[_BUSY]
        if accepted > closed and now > words[_HELD_AT]:
            held += (accepted - closed) * (now - words[_HELD_AT])
        if 0 < turn_at < now:
            busy += now - turn_at
    return Totals(arrivals, completions, held, busy)


def totals_at_death(words: Sequence[int], now: int) -> Totals:
    """Return those of one worker whose sessions all ended just now."""
    last = totals_at([words], now)
    return last._replace(completions=last.arrivals)


# names of this module are found faster in a loop over a thousand workers
_ACCEPTED, _CLOSED, _REFUSED, _TURN_AT = wire.ACCEPTED, wire.CLOSED, wire.REFUSED, wire.TURN_AT
_HELD, _HELD_AT, _BUSY = wire.HELD, wire.HELD_AT, wire.BUSY
