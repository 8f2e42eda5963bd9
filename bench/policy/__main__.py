"""Print and plot the three claims: `python -m bench.policy`, or `make claims`; `--quick` for a first look."""

from __future__ import annotations

import argparse
import os
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from bench.policy import claims, policies, tables
from bench.policy.loads import LOADS
from bench.policy.runs import Case, run_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.policy.policies import Policy
    from bench.policy.runs import Figures

SEEDS = (1, 2, 3, 4, 5)
SPAWN_TIMES = (0.05, 0.2, 1.0, 2.0)
PLACES = (1, 10)
TUNED_AT = 0.2
"""Spawn time (s) of the runs with tuned settings."""
TUNED_SEEDS = (1, 2)


def main() -> None:
    """Run what is asked for, and tell it."""
    asked = _arguments()
    seeds, spawn_times = ((1, 2), (0.2, 1.0)) if asked.quick else (SEEDS, SPAWN_TIMES)
    found: dict[Case, Figures] = {}
    if 1 in asked.claims:
        told = run_all(_cases(policies.defaults(), [load.name for load in LOADS], spawn_times, seeds), asked.jobs)
        tables.first(told)
        found |= told
    if {2, 3} & set(asked.claims):
        tuned = run_all(_tuned((1,) if asked.quick else TUNED_SEEDS), asked.jobs)
        for places in PLACES:
            tables.second_and_third(tuned, places)
        found |= tuned
    if asked.out:
        from bench.policy import pictures  # noqa: PLC0415 - matplotlib is an extra

        pictures.draw(found, asked.out)


def _cases(who: Iterable[Policy], names: Iterable[str], spawn_times: Iterable[float], seeds: Iterable[int]) -> list[Case]:
    return [Case(*one) for one in product(who, names, PLACES, spawn_times, seeds)]


def _tuned(seeds: Iterable[int]) -> list[Case]:
    who = [*policies.tuned_prefork(), *policies.tuned_peers()]
    return _cases(who, [load.name for load in LOADS], (TUNED_AT,), seeds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.policy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds and spawn times")
    parser.add_argument("--claims", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="draw pictures (PNG) into this directory; takes matplotlib")
    return parser.parse_args()


if __name__ == "__main__":
    main()
