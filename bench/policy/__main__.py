"""Print and plot the three claims: `python -m bench.policy`, or `make claims`; `--quick` for a first look."""

from __future__ import annotations

import argparse
import os
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from . import policies, tables
from .loads import LOADS
from .runs import Case, run_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .runs import Figures

SEEDS = (1, 2, 3, 4, 5)
SPAWN_TIMES = (0.05, 0.2, 1.0, 2.0)
PLACES = (1, 10)
TUNED_AT = 0.2
"""Spawn time (s) of the runs with tuned settings, which have one seed: there are many of them."""


def main() -> None:
    """Run what is asked for, and tell it."""
    asked = _arguments()
    seeds, spawn_times = ((1, 2), (0.2, 1.0)) if asked.quick else (SEEDS, SPAWN_TIMES)
    found: dict[Case, Figures] = {}
    if 1 in asked.claims:
        told = run_all(_defaults(spawn_times, seeds), asked.jobs)
        tables.first(told)
        found |= told
    if {2, 3} & set(asked.claims):
        tuned = run_all(_tuned(PLACES[:1] if asked.quick else PLACES), asked.jobs)
        for places in sorted({case.places for case in tuned}):
            tables.second_and_third(tuned, places)
        found |= tuned
    if asked.out:
        from . import pictures  # noqa: PLC0415 - matplotlib is an extra

        pictures.draw(found, asked.out)


def _defaults(spawn_times: Iterable[float], seeds: Iterable[int]) -> list[Case]:
    names = [load.name for load in LOADS]
    return [Case(*one) for one in product(policies.defaults(), names, PLACES, spawn_times, seeds)]


def _tuned(places: Iterable[int]) -> list[Case]:
    who, names = [*policies.tuned_prefork(), *policies.tuned_peers()], [load.name for load in LOADS]
    return [Case(*one, TUNED_AT, 1) for one in product(who, names, places)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.policy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds and spawn times")
    parser.add_argument("--claims", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="draw pictures (PNG) into this directory; takes matplotlib")
    return parser.parse_args()


if __name__ == "__main__":
    main()
