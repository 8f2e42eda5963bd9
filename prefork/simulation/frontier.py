"""The settings of demand sizing that no other beats, and a search for them: who waits, what it costs, how it churns.

Theory. Three figures pull apart: fewer connections that wait take more workers, or more births and ends. A setting is
on the frontier if no other is as good in all three and better in one; the rest are mistakes, whatever is valued. The
search is a coarse grid, then rounds of midpoints between a setting of the frontier and its tried neighbours, nearest
to the budgets first; bounds of the pool are tried last, and only where the pool stood at them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADROOMS = (0.0, 0.5, 1.0, 2.0, 4.0)
HOLDS = (5, 20, 60, 240)
ROUNDS = 4
"""A grid, two refinements, the bounds."""
_REFINED = 6
"""Settings whose neighbourhood is searched in a round."""


class Setting(NamedTuple):
    """What is varied."""

    headroom: float
    hold: int
    """In seconds."""
    min_workers: int
    max_workers: int


class Point(NamedTuple):
    """A setting and what came of it, averaged over the seeds."""

    setting: Setting
    slow: float
    """Share of the connections that waited longer than is good."""
    workers: float
    flaps: float
    """An hour."""
    at_max: bool
    """Whether the pool ever was as large as it may be."""

    @property
    def figures(self) -> tuple[float, float, float]:
        """The three that pull apart, as far as they are told: less is better."""
        return round(self.slow, 4), round(self.workers, 2), round(self.flaps, 1)


class Budgets(NamedTuple):
    """What is good enough."""

    slow: float
    flaps: float
    """An hour."""

    def excess(self, point: Point) -> float:
        """How many times a budget is spent, the most overspent one; 1 or less: all are kept."""
        slow, _, flaps = point.figures
        return max(_times(slow, self.slow), _times(flaps, self.flaps))


def frontier(points: Iterable[Point]) -> list[Point]:
    """Return those that no other beats, fewest workers first; of equal ones the first."""
    best: dict[tuple[float, float, float], Point] = {}
    for point in points:
        best.setdefault(point.figures, point)
    found = [one for figures, one in best.items() if not any(_beats(other, figures) for other in best)]
    return sorted(found, key=lambda point: (point.workers, point.slow, point.flaps))


def suggested(points: Iterable[Point], budgets: Budgets) -> tuple[Point, bool]:
    """Return, of the frontier, who has the fewest workers within the budgets, and True; else the nearest, and False."""
    unbeaten = frontier(points)
    good = [point for point in unbeaten if budgets.excess(point) <= 1]
    if good:
        return good[0], True
    return min(unbeaten, key=lambda point: (budgets.excess(point), point.workers)), False


def next_round(number: int, points: Sequence[Point], base: Setting, budgets: Budgets) -> list[Setting]:
    """Return the settings that are tried in round `number`, counted from 0; none twice."""
    if number == 0:
        return [base._replace(headroom=headroom, hold=hold) for headroom in HEADROOMS for hold in HOLDS]
    best, met = suggested(points, budgets)
    tried = {point.setting for point in points}
    if number == ROUNDS - 1:
        return [setting for setting in _bounds(best, base, met=met) if setting not in tried]
    near = sorted(frontier(points), key=lambda point: abs(math.log(max(budgets.excess(point), 1e-6))))
    wanted = [setting for point in [best, *near[:_REFINED]] for setting in _between(point.setting, tried)]
    return [setting for setting in dict.fromkeys(wanted) if setting not in tried]


def _between(setting: Setting, tried: set[Setting]) -> list[Setting]:
    """Midpoints with the next tried values below and above, of each axis: arithmetic ones, of holds geometric.

    Above the highest one stands its double, so that a search can leave its grid.
    """
    headrooms = _neighbours(setting.headroom, {each.headroom for each in tried})
    holds = _neighbours(setting.hold, {each.hold for each in tried})
    return [
        *(setting._replace(headroom=round((setting.headroom + other) / 2, 2)) for other in headrooms),
        *(setting._replace(hold=round(math.sqrt(setting.hold * other))) for other in holds),
    ]


def _neighbours(value: float, tried: set[float] | set[int]) -> list[float]:
    below, above = [each for each in tried if each < value], [each for each in tried if each > value]
    return [*([max(below)] if below else []), min(above) if above else value * 2]


def _bounds(best: Point, base: Setting, *, met: bool) -> list[Setting]:
    """Other bounds for the best setting, where the pool stood at them or where what there is isn't good enough."""
    setting = best.setting
    most = [setting.max_workers]
    if best.at_max and not met:
        most += [math.ceil(base.max_workers * times) for times in (1.5, 2, 3)]
    least = [setting.min_workers]
    if not met:
        least += [math.ceil(best.workers * times) for times in (0.5, 1, 1.5)]
    elif best.workers <= setting.min_workers * 1.05:
        least += [setting.min_workers // 2, 1, 0]
    return [
        setting._replace(min_workers=low, max_workers=high)
        for high in dict.fromkeys(most)
        for low in dict.fromkeys(least)
        if low <= high
    ]


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def _times(value: float, budget: float) -> float:
    return value / budget if budget else math.inf if value else 0.0
