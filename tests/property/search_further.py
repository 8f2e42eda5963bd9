"""`make search`: every theme from every pool, deeper, with every invariant. Minutes; not part of `make test`."""

from __future__ import annotations

import sys
import time

from tests.property import themes
from tests.property.events import only
from tests.property.every import EVERY
from tests.property.search import search
from tests.property.themes import DEMAND, SPARE, STATIC, ZERO

POOLS = {"spare": SPARE, "static": STATIC, "zero": ZERO, "demand": DEMAND}
THEMES = {
    "load": themes.LOAD,
    "ends": themes.ENDS,
    "molds": themes.MOLDS,
    "stops": themes.STOPS,
    "orders": themes.ORDERS,
    "everything": themes.EVERYTHING,
}
SHALLOWER = 2
"""How much less deep everything is searched: it is eight times as wide as a theme."""


def main(depth: int) -> None:
    for theme, kinds in THEMES.items():
        for name, pool in POOLS.items():
            start = pool.settled(indebted=theme == "ends")
            start.checks = EVERY
            began = time.monotonic()
            steps = depth if kinds else depth - SHALLOWER
            found = search([start], steps, only(kinds, pool.lowered))
            print(f"{theme:>10} {name:>6} depth {steps}: {found.nodes:>7} looks, {time.monotonic() - began:6.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
