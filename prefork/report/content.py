"""What is drawn: the same curves for the page and the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.units import NS, figure_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prefork.simulation import Run
    from prefork.simulation.tally import Decided

MOST_STEPS = 5_000
"""Of a curve; of more, only every so manieth is drawn."""
MOST_MARKS = 5_000
"""Decisions of a run that are drawn; of more, evenly chosen ones."""
COLOURS = (
    *("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#7f7f7f"),
    *("#bcbd22", "#17becf", "#0b3d66", "#7d1414", "#125712", "#4b2a6b", "#a14f00", "#000000"),
)
MOST_COLUMNS = 6
"""With more policies, each is a line of the table, and the others' curves are first seen when asked for."""


class Column(NamedTuple):
    """One policy: its name, and the run that is drawn."""

    name: str
    run: Run


class Figures(NamedTuple):
    """One line of the table."""

    name: str
    about: str
    values: tuple[str, ...]
    """One for each column."""


@dataclass(frozen=True)
class Content:
    """All that a report tells."""

    told: Sequence[str]
    """What was played, in lines."""
    columns: Sequence[Column]
    rows: Sequence[Figures]
    verdicts: Sequence[tuple[bool, str]] = ()

    @property
    def unit(self) -> tuple[str, int]:
        """The unit of time of this length: name and seconds."""
        seconds = max(column.run.seconds for column in self.columns)
        return ("s", 1) if seconds <= 1200 else ("min", 60) if seconds <= 36_000 else ("h", 3600)  # noqa: PLR2004


class Curve(NamedTuple):
    """Instants in seconds, and values."""

    at: list[float]
    values: list[float]


class Mark(NamedTuple):
    """One decision: when (s), how many workers there were after it, and everything about it."""

    at: float
    workers: int
    kind: str
    text: str


def workers(run: Run) -> Curve:
    """Return the number of processes, as steps."""
    steps = list(run.workers)
    every = len(steps) // MOST_STEPS + 1
    chosen = [*steps[::every], (round(run.seconds * NS), run.workers.values[-1] if steps else 0)]
    return Curve([at / NS for at, _ in chosen], [float(value) for _, value in chosen])


def sampled(run: Run, name: str) -> Curve:
    """Return one field of the samples; of each part, at its end."""
    return Curve([each.at for each in run.samples], [float(getattr(each, name)) for each in run.samples])


def arrival_rate(run: Run) -> Curve:
    """Return arrivals a second in each part."""
    ends = [each.at for each in run.samples]
    spans = [end - begin for begin, end in zip([0.0, *ends], ends, strict=False)]
    return Curve(ends, [each.arrivals / span if span else 0.0 for each, span in zip(run.samples, spans, strict=True)])


def marks(run: Run) -> list[Mark]:
    """Return decisions, oldest first."""
    every = len(run.decisions) // MOST_MARKS + 1
    return [_mark(run, each) for each in run.decisions[::every]]


def kinds(found: Iterable[Mark]) -> Iterator[tuple[str, list[Mark]]]:
    """Return them by kind."""
    by_kind: dict[str, list[Mark]] = {}
    for mark in found:
        by_kind.setdefault(mark.kind, []).append(mark)
    return iter(by_kind.items())


def left_out(run: Run) -> int:
    """Return how many decisions are not among the marks."""
    return run.decided - len(run.decisions[:: len(run.decisions) // MOST_MARKS + 1])


def _mark(run: Run, decided: Decided) -> Mark:
    decision = decided.decision
    whom = decided.worker if decided.worker is not None else getattr(decision, "worker", None)
    what = decision.kind if whom is None else f"{decision.kind} worker {whom}"
    figures = "".join(f"\n{figure_text(name, value)}" for name, value in decision.because.figures)
    text = f"{decided.at:.3f}s: {what}\n{decision.because.reason}{figures}"
    return Mark(decided.at, run.workers.at(round(decided.at * NS)), decision.kind, text)
