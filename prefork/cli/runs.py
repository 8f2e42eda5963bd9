"""Candidates play a load with several seeds each, on all cores; what is kept of a run is small."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from prefork.cli.cores import on_cores
from prefork.cli.progress import Watched, shown
from prefork.errors import ConfigError
from prefork.simulation import simulate
from prefork.simulation.figures import FIGURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.cli.candidates import Candidate
    from prefork.simulation import Expectation, Run, Traffic


class Outcome(NamedTuple):
    """One run of one candidate."""

    seed: int
    figures: dict[str, float | None]
    """By name; None: this run can't tell."""
    measured: tuple[float, ...]
    """What is expected, in its order."""
    run: Run | None
    """None: nobody draws it."""


class Plan(NamedTuple):
    """What is played, and how."""

    traffic: Traffic
    seeds: range
    cores: int
    expectations: Sequence[Expectation] = ()
    """Of the first candidate."""
    kept: bool = False
    """Whether the first run of each candidate is kept whole."""


def play(candidates: Sequence[Candidate], plan: Plan) -> list[list[Outcome]]:
    """Return the outcomes of each candidate, a seed after the other. Raises ConfigError for a run that can't be."""
    wanted = [(place, seed) for place in range(len(candidates)) for seed in plan.seeds]
    tasks = [partial(_play, candidates[place], plan, seed, judged=not place) for place, seed in wanted]
    found: dict[int, Outcome] = {}
    with shown("simulating", len(tasks)) as told:
        for index, outcome in on_cores(tasks, plan.cores, told):
            found[index] = outcome
            told(index, 1.0)
    many = len(plan.seeds)
    return [[found[place * many + at] for at in range(many)] for place in range(len(candidates))]


def _play(candidate: Candidate, plan: Plan, seed: int, tell: Callable[[float], None], *, judged: bool) -> Outcome:
    try:
        run = simulate(candidate.config, Watched(plan.traffic, tell), seed, candidate.host, candidate.decide)
        measured = tuple(each.measure(run) for each in plan.expectations) if judged else ()
    except ValueError as error:
        raise ConfigError(f"{candidate.name}: {error}") from None
    return Outcome(seed, _figures(run), measured, run if plan.kept and seed == plan.seeds[0] else None)


def _figures(run: Run) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for figure in FIGURES:
        try:
            figures[figure.name] = figure.of(run)
        except ValueError:  # of a load that never comes to rest it can't be told when the size does
            figures[figure.name] = None
    return figures
