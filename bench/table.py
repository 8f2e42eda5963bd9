"""The table: rows of what was measured and of the least that is asked, as text, as JSON and in RESULTS.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
_QUOTED = (("stream", "C epoll"), ("threads-connect", "ThreadingMixIn"), ("asgi", "uvicorn"))
_BEGINS, _ENDS = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"


class Ratio(NamedTuple):
    """A peer's cost by ours, over interleaved pairs: the median, and its quartiles."""

    peer: str
    value: float
    low: float
    high: float
    twice: float
    """The same server twice: what the ratio of two equal servers came out as."""


class Row(NamedTuple):
    """One figure."""

    name: str
    """What `--only` calls its measurement."""
    figure: str
    measured: str
    least: str = ""
    """What is asked: nothing, where the row is for the picture."""
    met: bool | None = None
    doubt: str = ""
    """Why it doesn't count."""
    details: str = ""
    ratio: Ratio | None = None
    floor: float | None = None
    """What is asked of the ratio."""

    @property
    def verdict(self) -> str:
        """Whether what is asked is met, or why nobody can say."""
        if self.doubt:
            return f"doesn't count: {self.doubt}"
        return "" if self.met is None else "yes" if self.met else "**no**"


class AtMost(NamedTuple):
    """What is asked of a figure that should be small."""

    most: float
    unit: str

    def row(self, name: str, figure: str, value: float, details: str = "") -> Row:
        """Beside what was measured."""
        measured = f"{value:.{2 if self.most < 10 else 1}f} {self.unit}"
        return Row(name, figure, measured, f"{self.most:g} {self.unit}", value <= self.most, details=details)


def line(row: Row) -> str:
    """For a terminal."""
    asked = f"asked {row.least}" if row.least else ""
    said = "; ".join(filter(None, (row.verdict.strip("*"), row.details)))
    return f"{row.figure:70} {row.measured:>10}  {asked:14} {said}"


class Report(NamedTuple):
    """A machine, and what was measured on it."""

    machine: dict[str, str]
    rows: list[Row]

    @classmethod
    def stored(cls) -> Report:
        """The last one written. Raises FileNotFoundError."""
        told: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
        return cls(told["machine"], [_row(each) for each in told["rows"]])

    def store(self, documents: Sequence[Path]) -> None:
        """Write it beside this file, and between the marks of the documents."""
        rows = [row._asdict() | {"ratio": row.ratio and row.ratio._asdict()} for row in self.rows]
        RESULTS.write_text(json.dumps({"machine": self.machine, "rows": rows}, indent=1) + "\n", encoding="utf-8")
        for document in documents:
            text = document.read_text(encoding="utf-8")
            before, _, rest = text.partition(_BEGINS)
            _, ends, after = rest.partition(_ENDS)
            if not ends:
                raise SystemExit(f"{document} has no place for figures: the marks {_BEGINS} and {_ENDS}")
            written = self.markdown() if document.parent == HERE else self.quoted()
            document.write_text(f"{before}{_BEGINS}\n{written}\n{_ENDS}{after}", encoding="utf-8")

    def markdown(self) -> str:
        """The machine and the whole table."""
        machine = "\n".join(f"- {what}: {value}" for what, value in self.machine.items())
        head = "| figure | measured | asked | met | how it came about |\n|---|---|---|---|---|"
        cells = ((row.figure, row.measured, row.least, row.verdict, row.details) for row in self.rows)
        return "\n".join(["", machine, "", head, *(f"| {' | '.join(each)} |" for each in cells), ""])

    def quoted(self) -> str:
        """Three figures, each with its peer, for README: those of them that count."""
        found = {(row.name, row.ratio.peer): row for row in self.rows if row.ratio and not row.doubt}
        rows = [found[each] for each in _QUOTED if each in found]
        table = [f"| {row.figure} | {row.measured} | {row.details.partition(';')[0]} |" for row in rows]
        head = ["| CPU for each | the peer's by prefork's | |", "|---|---|---|"] if rows else []
        return "\n".join(["", *head, *table, ""])


def _row(told: dict[str, Any]) -> Row:
    ratio = told.pop("ratio")
    return Row(**told, ratio=ratio and Ratio(**ratio))
