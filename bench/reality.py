"""`make reality`: the same loads on a real pool and in the simulator, side by side. Nothing in it passes or fails.

python -m bench.reality [--times N] [--only NAME …] [--picture FILE]

Both get the same arrivals at the same instants, of the same lengths, and the same config; the simulator is told how
long a birth took just before. The trace is a window of the Azure Public Dataset's LLM inference traces of 2023
(CC-BY-4.0), played faster, a length being so many tokens.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import platform
from bisect import bisect_right
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

from bench.played import Played, births, play
from prefork.policy.config import DemandSizing, PoolConfig
from prefork.policy.units import NS
from prefork.simulation import ClockBursts, Exponential, Flash, Host, Poisson, Replay, Run, Step, Traffic, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

LASTS = 20.0
SEED = 1
PLACES = (1, 10)
SLOW_S = 0.05
_POINTS = 4000
"""At so many instants the two curves of workers are compared."""


class Pair(NamedTuple):
    """One load, played on both."""

    name: str
    places: int
    real: Played
    simulated: Run
    birth: float
    """What a birth took just before, one after the other; seconds."""

    @property
    def title(self) -> str:
        """For tables and pictures."""
        return f"{self.name}, S = {self.places}"


class Figures(NamedTuple):
    """What is compared. Waits in ms."""

    workers: float
    workers_simulated: float
    area: float
    """Between the two curves of workers, over the area under the real one."""
    p50: float
    p50_simulated: float
    p99: float
    p99_simulated: float
    slow: float
    """Share that waited for more than 50 ms."""
    slow_simulated: float
    late: float
    """How late the client was: the 99th percentile, in ms."""
    birth: float
    """From one to the next of a batch, in ms."""


def loads(places: int) -> dict[str, Traffic]:
    """As many sessions for each place, at rates that two cores can do."""
    few, length = places**0.9, Exponential("300ms")  # ten times the places need a little less than ten times the load
    return {
        "step": Step(10 * few, 50 * few, "5s", lasts=LASTS, length=length),
        "flash crowd": Flash(5 * few, 70 * few, "4s", "1s", "3s", lasts=LASTS, length=length),
        "clock bursts": ClockBursts(round(20 * few), "4s", "50ms", lasts=LASTS, length=Exponential("500ms"))
        + Poisson(10 * few, lasts=LASTS, length=length),
        "trace": Replay(_trace(speed=6 * few), lasts=LASTS),
    }


def _trace(speed: float) -> list[tuple[int, int]]:
    with (Path(__file__).parent / "traces" / "llm_conv.csv").open(encoding="ascii") as file:
        rows = [(float(row["seconds"]) / speed, int(row["tokens"])) for row in csv.DictReader(file)]
    return [(round(at * NS), tokens * NS // 700) for at, tokens in rows if at < LASTS]


def main() -> None:
    """Play, print, paint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="so often; the figures are medians")
    parser.add_argument("--only", nargs="*", default=[*loads(1)], choices=[*loads(1)])
    parser.add_argument("--picture", type=Path, help="where to paint the time at which the client was least late")
    told = parser.parse_args()
    here = (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.release()}, {os.cpu_count()} cores"
    )
    print(f"{here}, medians of {told.times}")
    print(_HEAD, flush=True)
    pairs = []
    for places in PLACES:
        for name in told.only:
            rounds = [_pair(name, places) for _ in range(told.times)]
            found = [_figures(one) for one in rounds]
            pairs.append(min(zip(found, rounds, strict=True), key=_late)[1])
            print(_row(pairs[-1].title, Figures(*map(median, zip(*found, strict=True)))), flush=True)
    if told.picture:
        from bench.painted import paint  # noqa: PLC0415 - matplotlib is for pictures alone

        paint(told.picture, pairs, LASTS)


def _pair(name: str, places: int) -> Pair:
    config = PoolConfig(min_workers=2, max_workers=60, max_sessions=places, sizing=DemandSizing(hold=5))
    traffic = loads(places)[name]
    measured = births()
    host = Host(spawn_time=measured.spawn_time, boot_time=measured.boot_time)
    real = play(config, [*traffic.sessions(SEED)], LASTS)
    return Pair(name, places, real, simulate(config, traffic, SEED, host), measured.spawn_time)


def _figures(pair: Pair) -> Figures:
    real, run = pair.real, pair.simulated
    waits = sorted(answer.wait for answer in real.answers)
    ours = [_at(real.workers, LASTS * point / _POINTS) for point in range(_POINTS)]
    theirs = [run.workers.at(round(LASTS * NS * point / _POINTS)) for point in range(_POINTS)]
    apart = sum(abs(one - other) for one, other in zip(ours, theirs, strict=True))
    return Figures(
        fmean(ours),
        fmean(theirs),
        apart / sum(ours),
        1e3 * quantile(waits, 0.5),
        1e3 * run.p50_wait,
        1e3 * quantile(waits, 0.99),
        1e3 * run.p99_wait,
        sum(wait > SLOW_S for wait in waits) / len(waits),
        run.slow(SLOW_S),
        1e3 * quantile(sorted(answer.late for answer in real.answers), 0.99),
        1e3 * pair.birth,
    )


def _late(one: tuple[Figures, Pair]) -> float:
    """How late the client was: a load that came late is another load."""
    return one[0].late


def _at(steps: Sequence[tuple[float, int]], instant: float) -> int:
    index = bisect_right(steps, instant, key=_instant)
    return steps[max(0, index - 1)][1]


def _instant(step: tuple[float, int]) -> float:
    return step[0]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least of which `share` of all aren't more."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


_HEAD = (
    f"{'':22} {'workers':>7} {'simul.':>7} {'ratio':>6} {'area':>6}  {'p50 ms':>7} {'simul.':>7}  "
    f"{'p99 ms':>7} {'simul.':>7}  {'>50 ms':>7} {'simul.':>7}  {'client':>7} {'birth':>6}"
)


def _row(title: str, found: Figures) -> str:
    ratio = found.workers_simulated / found.workers
    return (
        f"{title:22} {found.workers:7.2f} {found.workers_simulated:7.2f} {ratio:6.2f} {found.area:6.1%}  "
        f"{found.p50:7.1f} {found.p50_simulated:7.1f}  {found.p99:7.1f} {found.p99_simulated:7.1f}  "
        f"{found.slow:7.2%} {found.slow_simulated:7.2%}  {found.late:7.1f} {found.birth:6.1f}"
    )


if __name__ == "__main__":
    main()
