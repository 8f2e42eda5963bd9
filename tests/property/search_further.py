"""`make search`: all that six events can do to each small pool, and themes deeper. Half an hour on two cores."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from tests.property import themes
from tests.property.alike import Alike, unreduced
from tests.property.events import only
from tests.property.every import OF_A_SEARCH
from tests.property.forms import Forms
from tests.property.search import search
from tests.property.themes import DEMAND, SPARE, STATIC, ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.property.events import Event
    from tests.property.world import World

POOLS = {"spare": SPARE, "demand": DEMAND, "static": STATIC, "zero": ZERO}
THEMES = {
    "load": themes.LOAD,
    "ends": themes.ENDS,
    "molds": themes.MOLDS,
    "stops": themes.STOPS,
    "orders": themes.ORDERS,
}
DEEPER = 1
"""How much deeper a theme is searched: it is an eighth as wide as everything."""
ROOM = 25
"""Bits: 32 million forms, 256 MB."""


def main(depth: int) -> None:
    """Search pool by pool, and tell of each."""
    everything = themes.EVERYTHING
    for name, pool in POOLS.items():
        _compare(name, pool.settled(), only(everything, pool.lowered), depth - 2)
    for name, pool in POOLS.items():
        _search(f"everything {name}", [pool.settled()], only(everything, pool.lowered), depth - (name == "zero"))
    paused = [themes.consolidated(), themes.rested()]
    _search("everything paused", paused, only(everything, DEMAND.lowered), depth - 1)
    for theme, kinds in THEMES.items():
        for name, pool in POOLS.items():
            start = pool.settled(indebted=theme == "ends")
            _search(f"{theme} {name}", [start], only(kinds, pool.lowered), depth + DEEPER)


def _compare(name: str, start: World, events: Callable[[World], Iterable[Event]], depth: int) -> None:
    alike, began = Alike(), time.monotonic()
    unreduced(start, depth, events, alike)
    _tell(f"alike {name}", depth, began, f"{len(alike.said):,} forms, compared {alike.shared:,} times")


def _search(name: str, starts: Sequence[World], events: Callable[[World], Iterable[Event]], depth: int) -> None:
    for start in starts:
        start.checks = OF_A_SEARCH
    forms, began = Forms(ROOM), time.monotonic()
    found = search(starts, depth, events, forms=forms, cores=os.cpu_count() or 1)
    figures = f"{len(forms):,} states, {found.nodes:,} looks, {found.rests:,} at rest, {found.steps:,} events"
    _tell(name, depth, began, figures)


def _tell(what: str, depth: int, began: float, figures: str) -> None:
    print(f"{what:>17} depth {depth}: {figures}, {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
