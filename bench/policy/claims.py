"""The three claims of the policy, judged on figures: who is dominated, pooled means, savings at equal budgets.

Theory. Three axes, each better when smaller: share of connections that waited over 50 ms, mean live workers, flaps. One
point dominates another if it is nowhere larger and somewhere smaller. Where one has it by so little that another seed
could turn it (`NEAR`), it still counts, and is called near.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .policies import Policy
    from .runs import Case, Figures

HOUR = 3600.0


class Point(NamedTuple):
    """A policy on the three axes."""

    slow: float
    workers: float
    flaps: float
    """Of a run; an hour's where points are pooled."""

    def dominates(self, other: Point) -> bool:
        """Tell whether it is nowhere worse and somewhere better."""
        return self != other and all(mine <= its for mine, its in zip(self, other, strict=True))

    def is_near(self, other: Point) -> bool:
        """Tell whether the two differ by no more than chance may: see NEAR."""
        return all(
            abs(mine - its) <= near * its + least for mine, its, (near, least) in zip(self, other, NEAR, strict=True)
        )


NEAR = ((0.1, 0.0005), (0.02, 0.0), (0.1, 1.0))
"""A tenth of the slow ones and one in 2,000; 2 % of the workers; a tenth of the flaps and one."""


class Domination(NamedTuple):
    """A run of prefork, and a peer that was nowhere worse and somewhere better on the same load and seed."""

    case: Case
    peer: str
    ours: Point
    theirs: Point


def point(figures: Figures) -> Point:
    """Return a run as a point."""
    return Point(figures.slow, figures.workers, figures.flaps)


def dominations(found: dict[Case, Figures]) -> list[Domination]:
    """Return each run of prefork's that a peer's run on the same load, seed and host dominates."""
    told = []
    for group in _alike(found):
        for ours in (case for case in group if case.policy.is_prefork):
            mine = point(found[ours])
            for other in (case for case in group if not case.policy.is_prefork):
                its = point(found[other])
                if its.dominates(mine):
                    told.append(Domination(ours, other.policy.name, mine, its))
    return told


def dominated_shares(found: dict[Case, Figures]) -> dict[Policy, float]:
    """Return the share of each policy's runs that anybody else's on the same load, seed and host dominates."""
    lost: dict[Policy, list[bool]] = defaultdict(list)
    for group in _alike(found):
        points = [point(found[case]) for case in group]
        for case, its in zip(group, points, strict=True):
            lost[case.policy].append(any(other.dominates(its) for other in points))
    return {policy: mean(runs) for policy, runs in lost.items()}


def _alike(found: dict[Case, Figures]) -> list[list[Case]]:
    """Runs that differ in their policy alone."""
    groups: dict[tuple[object, ...], list[Case]] = defaultdict(list)
    for case in found:
        groups[case[1:]].append(case)
    return [*groups.values()]


def pooled(found: dict[Case, Figures]) -> dict[Policy, Point]:
    """Return each policy's mean over these runs, all loads alike; flaps an hour."""
    groups: dict[Policy, list[Figures]] = defaultdict(list)
    for case, figures in found.items():
        groups[case.policy].append(figures)
    return {policy: _mean(group) for policy, group in groups.items()}


def _mean(group: list[Figures]) -> Point:
    flaps = mean(figures.flaps * HOUR / figures.seconds for figures in group)
    return Point(mean(figures.slow for figures in group), mean(figures.workers for figures in group), flaps)


def frontier(points: dict[Policy, Point]) -> dict[Policy, Point]:
    """Return those that none of the others dominates."""
    return {one: its for one, its in points.items() if not any(other.dominates(its) for other in points.values())}


class Saving(NamedTuple):
    """A setting of prefork's as a budget of wait and churn, and the peer that keeps it with the fewest workers."""

    policy: Policy
    ours: Point
    peer: Policy | None
    """None: no setting of any peer keeps both."""
    theirs: Point | None

    @property
    def share(self) -> float | None:
        """How many workers fewer prefork needs, as a share of the peer's."""
        return None if self.theirs is None else 1 - self.ours.workers / self.theirs.workers


def savings(points: dict[Policy, Point]) -> list[Saving]:
    """Return what each setting of prefork saves against the best tuned peer within the same wait and churn."""
    peers = {policy: its for policy, its in points.items() if not policy.is_prefork}
    return [_saving(policy, its, peers) for policy, its in points.items() if policy.is_prefork]


def _saving(policy: Policy, ours: Point, peers: dict[Policy, Point]) -> Saving:
    within = [(its.workers, one) for one, its in peers.items() if its.slow <= ours.slow and its.flaps <= ours.flaps]
    if not within:
        return Saving(policy, ours, None, None)
    best = min(within)[1]
    return Saving(policy, ours, best, peers[best])


def picked(tuning: dict[Policy, Point], held_out: dict[Policy, Point], policy: Policy) -> Saving:
    """Return the saving on held-out loads against the peer that was best on those to tune on."""
    best = _saving(policy, tuning[policy], {one: its for one, its in tuning.items() if not one.is_prefork}).peer
    return Saving(policy, held_out[policy], best, None if best is None else held_out[best])
