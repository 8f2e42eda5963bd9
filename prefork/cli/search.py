"""The search for the frontier: rounds of settings, each played with every seed, on all cores."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.cli.cores import on_cores
from prefork.cli.progress import Watched, shown
from prefork.cli.tables import seconds
from prefork.errors import ConfigError
from prefork.policy.units import NS
from prefork.simulation import simulate
from prefork.simulation.figures import HOUR_S, Unit, value_text
from prefork.simulation.frontier import ROUNDS, Budgets, Point, Setting, frontier, next_round, suggested

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.cli.loads import Load
    from prefork.cli.settings import Base


class Search(NamedTuple):
    """What is searched."""

    base: Base
    load: Load
    wait: str
    budgets: Budgets
    seeds: range
    cores: int


class Found(NamedTuple):
    """What came of it."""

    search: Search
    points: list[Point]
    """All that were tried."""
    arrivals: float
    """A mean of the seeds."""
    best: Point
    met: bool
    """Whether the best keeps the budgets."""

    @property
    def frontier(self) -> list[Point]:
        """Those that no other beats."""
        return frontier(self.points)

    @property
    def budgets_text(self) -> str:
        """The budgets in words."""
        budgets = self.search.budgets
        return f"{value_text(budgets.slow, Unit.SHARE)} over {self.search.wait} and {budgets.flaps:g} flaps an hour"

    @property
    def verdict(self) -> str:
        """What is to be said of the best."""
        if self.met:
            return f"suggested: fewest workers with at most {self.budgets_text}"
        return f"nearest to {self.budgets_text}"

    @property
    def told(self) -> list[str]:
        """What was played, in words."""
        search = self.search
        lasted = seconds(search.load.traffic.lasts_ns / NS)
        seeds = f"{search.seeds[0]} to {search.seeds[-1]}"
        spawn = search.base.candidate.host.spawn_time
        played = f"{self.arrivals:,.0f} connections in {lasted}, spawn time {spawn}, seeds {seeds}"
        return [*search.load.told, f"{played}; {len(self.points)} settings tried, {len(self.frontier)} unbeaten"]

    def to_json(self) -> dict[str, Any]:
        """Return every setting that was tried; shares from 0 to 1, hold in seconds."""
        unbeaten = {point.setting for point in self.frontier}
        return {
            "load": list(self.search.load.told),
            "budgets": {"wait": self.search.wait, **self.search.budgets._asdict()},
            "met": self.met,
            "suggested": self.best.setting._asdict(),
            "settings": [self._plain(point) | {"unbeaten": point.setting in unbeaten} for point in self.points],
        }

    def _plain(self, point: Point) -> dict[str, Any]:
        figures = {name: value for name, value in point._asdict().items() if name != "setting"}
        return {**point.setting._asdict(), **figures}


class _Played(NamedTuple):
    slow: float
    workers: float
    flaps: float
    at_max: bool
    arrivals: int


def search(wanted: Search) -> Found:
    """Search in rounds. Raises ConfigError for a run that can't be."""
    points: list[Point] = []
    arrivals: list[int] = []
    for number in range(ROUNDS):
        settings = next_round(number, points, wanted.base.setting, wanted.budgets)
        played = _play(settings, wanted, f"tuning, round {number + 1} of {ROUNDS}")
        for setting, runs in zip(settings, played, strict=True):
            points.append(_point(setting, runs))
            arrivals += [run.arrivals for run in runs]
    best, met = suggested(points, wanted.budgets)
    return Found(wanted, points, sum(arrivals) / len(arrivals), best, met)


def _play(settings: list[Setting], wanted: Search, what: str) -> list[list[_Played]]:
    tasks = [partial(_run, wanted, setting, seed) for setting in settings for seed in wanted.seeds]
    found: dict[int, _Played] = {}
    with shown(what, len(tasks)) as told:
        for index, played in on_cores(tasks, wanted.cores, told):
            found[index] = played
            told(index, 1.0)
    many = len(wanted.seeds)
    return [[found[place * many + at] for at in range(many)] for place in range(len(settings))]


def _run(wanted: Search, setting: Setting, seed: int, tell: Callable[[float], None]) -> _Played:
    base, traffic = wanted.base, Watched(wanted.load.traffic, tell)
    try:
        run = simulate(base.config(setting), traffic, seed, base.candidate.host)
    except ValueError as error:
        raise ConfigError(f"{base.candidate.name}: {error}") from None
    slow, flaps = run.share_waiting_over(wanted.wait), run.flaps * HOUR_S / run.seconds
    return _Played(slow, run.mean_workers, flaps, run.workers.most >= setting.max_workers, run.arrivals)


def _point(setting: Setting, runs: list[_Played]) -> Point:
    slow, workers, flaps = (sum(values) / len(runs) for values in list(zip(*runs, strict=True))[:3])
    return Point(setting, slow, workers, flaps, any(run.at_max for run in runs))
