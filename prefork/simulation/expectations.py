"""What somebody expects of a run, as a sentence: `p99_wait < 50ms`. A pipeline gates a change of policy with it."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, NamedTuple

from prefork.simulation.figures import Figure, figure_named, parse_value, value_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.simulation.run import Run

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_SENTENCE = re.compile(r"\s*(?P<name>\w+)\s*(?P<sign>[^\w\s.]+)\s*(?P<value>\S.*?)\s*")


class Verdict(NamedTuple):
    """Whether an expectation holds, and the figure of the run for which it holds least."""

    holds: bool
    told: str
    """`p99_wait < 50ms: 81.2ms`."""
    measured: float
    """In seconds, as a share from 0 to 1, or a plain number."""
    worst: int
    """The index of that run."""

    def __bool__(self) -> bool:
        return self.holds


class Expectation(NamedTuple):
    """A figure, a sign and a value."""

    figure: Figure
    sign: str
    value: float
    text: str

    @classmethod
    def of(cls, text: str) -> Expectation:
        """Return what a sentence such as `p99_wait < 50ms` says. Raises ValueError, one line."""
        found = _SENTENCE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no expectation: write NAME SIGN VALUE, such as 'p99_wait < 50ms'")
        figure = figure_named(found["name"])
        if found["sign"] not in _OPERATORS:
            raise ValueError(f"{text!r}: {found['sign']} is no sign: it is one of {', '.join(_OPERATORS)}")
        return cls(figure, found["sign"], parse_value(found["value"], figure), " ".join(text.split()))

    def measure(self, run: Run) -> float:
        """Return the figure of a run. Raises ValueError where it can't tell."""
        if self.figure.name == "settles_within":
            run.settles_within(self.value)  # it may have ended too early
        return self.figure.of(run)

    def verdict(self, measured: Sequence[float]) -> Verdict:
        """Tell whether it holds for each of the figures, of which there is one at least."""
        worst = max(range(len(measured)), key=lambda index: self._excess(measured[index]))
        holds = all(_OPERATORS[self.sign](each, self.value) for each in measured)
        told = f"{self.text}: {value_text(measured[worst], self.figure.unit)}"
        return Verdict(holds, told, measured[worst], worst)

    def _excess(self, measured: float) -> float:
        """How far on the wrong side."""
        over = measured - self.value
        return abs(over) if self.sign == "==" else over if self.sign.startswith("<") else -over


def judge(run: Run, expectation: str) -> Verdict:
    """Tell whether a sentence such as `p99_wait < 50ms` is true of a run; the verdict is a truth value, and says why.

    Raises ValueError for a sentence that says nothing, and a run that can't tell.
    """
    expected = Expectation.of(expectation)
    return expected.verdict([expected.measure(run)])
