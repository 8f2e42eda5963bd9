"""What a simulation came to: a table with a column for each candidate, verdicts, and the same as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.cli.tables import seconds
from prefork.policy.units import NS
from prefork.report.content import MOST_COLUMNS
from prefork.simulation.figures import FIGURES, Figure, value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.cli.candidates import Candidate
    from prefork.cli.loads import Load
    from prefork.cli.runs import Outcome, Plan
    from prefork.simulation.expectations import Verdict

_SHOWN = (
    "p50_wait",
    "p99_wait",
    "longest_wait",
    "share_over_50ms",
    "mean_workers",
    "most_workers",
    "worker_hours",
    "births",
    "flaps",
    "refused",
    "lost",
)
"""In the table; JSON has all."""

FIGURES_BY = {figure.name: figure for figure in FIGURES}


@dataclass(frozen=True)
class Comparison:
    """Candidates and their outcomes, under one load."""

    candidates: Sequence[Candidate]
    outcomes: Sequence[Sequence[Outcome]]
    """A row for each candidate, a column for each seed."""
    load: Load
    plan: Plan

    @property
    def verdicts(self) -> list[Verdict]:
        """Return what became of each expectation of the first candidate."""
        measured = list(zip(*(outcome.measured for outcome in self.outcomes[0]), strict=True))
        return [each.verdict(values) for each, values in zip(self.plan.expectations, measured, strict=True)]

    @property
    def told(self) -> list[str]:
        """Return what was played, in words."""
        lasted = seconds(self.plan.traffic.lasts_ns / NS)
        arrivals = _spread([outcome.figures["arrivals"] or 0 for outcome in self.outcomes[0]], FIGURES_BY["arrivals"])
        first, many = self.plan.seeds[0], len(self.plan.seeds)
        spread = "means" if self.is_wide else "mean (least to most)"
        seeds = f"seed {first}" if many == 1 else f"seeds {first} to {self.plan.seeds[-1]}: {spread}"
        spawn = self.candidates[0].host.spawn_time
        return [*self.load.told, f"{arrivals} connections in {lasted}, spawn time {spawn}, {seeds}"]

    @property
    def is_wide(self) -> bool:
        """Whether each candidate has a line of its own, of means."""
        return len(self.candidates) > MOST_COLUMNS

    def rows(self) -> list[tuple[Figure, list[str]]]:
        """Return each figure of the table with a cell for each candidate."""
        shown, places = [FIGURES_BY[name] for name in _SHOWN], range(len(self.candidates))
        return [(figure, [self._cell(figure, place) for place in places]) for figure in shown]

    def verdict_text(self, verdict: Verdict) -> str:
        """Return `holds  p99_wait < 50ms: 12ms`, with the seed of the figure where there are several."""
        seeds = self.plan.seeds
        by = f" (seed {seeds[verdict.worst]})" if len(seeds) > 1 else ""
        return f"{'holds' if verdict.holds else 'FAILS'}  {verdict.told}{by}"

    def to_json(self) -> dict[str, Any]:
        """Return everything that is known, in seconds, shares and plain numbers."""
        return {
            "load": list(self.load.told),
            "seconds": self.plan.traffic.lasts_ns / NS,
            "seeds": list(self.plan.seeds),
            "candidates": [
                {"name": each.name, "runs": [{"seed": one.seed, **one.figures} for one in outcomes]}
                for each, outcomes in zip(self.candidates, self.outcomes, strict=True)
            ],
            "expectations": [
                {"expected": expected.text, "holds": verdict.holds, "measured": verdict.measured}
                for expected, verdict in zip(self.plan.expectations, self.verdicts, strict=True)
            ],
        }

    def _cell(self, figure: Figure, place: int) -> str:
        values = [outcome.figures[figure.name] for outcome in self.outcomes[place]]
        known = [value for value in values if value is not None]
        if not known:
            return "-"
        return value_text(sum(known) / len(known), figure.unit) if self.is_wide else _spread(known, figure)


def _spread(values: Sequence[float], figure: Figure) -> str:
    """Return the mean, and the least and the most where they differ."""
    mean, least, most = (
        value_text(each, figure.unit) for each in (sum(values) / len(values), min(values), max(values))
    )
    return mean if least == most else f"{mean} ({least} to {most})"


def show(comparison: Comparison) -> None:
    """Print it."""
    from rich.text import Text  # noqa: PLC0415 - 50 ms, which --json doesn't need

    from prefork.cli.tables import out, table_of  # noqa: PLC0415 - as above

    console = out()
    for line in comparison.told:
        console.print(Text(line))
    console.print()
    head, *rows = [("", *(each.name for each in comparison.candidates))]
    rows += [(figure.name, *cells) for figure, cells in comparison.rows()]
    if comparison.is_wide:
        head, *rows = zip(head, *rows, strict=True)
    console.print(table_of(head, rows))
    if comparison.verdicts:
        console.print()
    for verdict in comparison.verdicts:
        console.print(Text(comparison.verdict_text(verdict)))
