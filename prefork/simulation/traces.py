"""Recorded load: counts of arrivals a bin, or one arrival a line, from the text of a CSV file that the caller read.

Theory. A count says how many came within a bin, not when. Spread as `poisson` they lie as those of a Poisson process
do, given their number; `evenly` gives the smoothest load with these counts. The truth is often rougher than both, so a
figure that rests on a coarse trace should say how its bins were spread.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefork.policy.units import NS, duration_text
from prefork.simulation.crowds import before, evenly, scattered
from prefork.simulation.durations import as_ns, at_least
from prefork.simulation.traffic import Traffic, positive_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from prefork.simulation.durations import Duration
    from prefork.simulation.traffic import Session

_Row = tuple[int, int, list[str]]
"""Line, instant in ns, cells."""
_MOST_BINS = 10_000_000
_LATEST_S = 100_000_000_000
"""In seconds since 1970 the year 5138: a larger number counts something else."""


class Counts(NamedTuple):
    """Arrivals in each bin of `width` seconds, one after the other without a gap: `Trace(*counts)` plays them."""

    counts: tuple[int, ...]
    width: float


@dataclass(frozen=True)
class Trace(Traffic):
    """So many arrivals in each bin of `width`, times `scale`; lasts as long as the counts do, or `lasts`."""

    counts: Sequence[int]
    width: Duration = "1m"
    spread: Literal["poisson", "evenly"] = "poisson"
    scale: float = 1.0
    """A fraction of an arrival is one with that probability."""
    lasts: Duration | None = field(default=None, kw_only=True)  # type: ignore[assignment]

    @property
    def lasts_ns(self) -> int:
        """To the end of the last bin, in ns."""
        if not self.counts:
            raise ValueError("the trace has no counts: it needs one for each bin")
        whole = positive_ns(self.width, "width") * len(self.counts)
        return whole if self.lasts is None else min(whole, as_ns(self.lasts, "lasts"))

    def instants(self, rng: Random, end: int) -> Iterator[int]:
        """Draw, bin by bin."""
        width, scale = positive_ns(self.width, "width"), at_least(self.scale, 0.0, "scale")
        for index, counted in enumerate(self.counts):
            at_least(counted, 0, f"counts[{index}]")
            clients = int(counted * scale + rng.random())
            if index * width >= end:
                return
            if self.spread == "evenly":
                yield from before(end, evenly(clients, index * width, width))
            else:
                yield from before(end, scattered(rng, clients, index * width, width))


def read_counts(lines: Iterable[str]) -> Counts:
    """Read `instant,count` rows under a header: the bin is the gap that is found most often, and gaps count nobody.

    Instants are ISO 8601 or seconds. Raises ValueError, one line that names the line.
    """
    _, table = _table(lines)
    rows = [(at, _count(cells, line)) for line, at, cells in table]
    if len(rows) < 2:  # noqa: PLR2004 - a gap is between two
        raise ValueError(f"the trace has {len(rows)} rows of counts: the width of a bin takes two")
    gaps = Counter(later - earlier for (earlier, _), (later, _) in pairwise(rows) if later > earlier)
    if not gaps:
        raise ValueError("the trace has the same instant in every row: the width of a bin can't be told")
    width, start = gaps.most_common(1)[0][0], rows[0][0]
    bins = (rows[-1][0] - start) // width + 1
    if bins > _MOST_BINS:
        raise ValueError(f"the trace is {bins} bins of {duration_text(width)} long: is an instant wrong?")
    counts = [0] * bins
    for at, counted in rows:
        counts[(at - start) // width] += counted
    return Counts(tuple(counts), width / NS)


def read_sessions(lines: Iterable[str], column: str, unit: Duration = "1s") -> Iterator[Session]:
    """Read one arrival a row: its instant, and its length in `column`, in multiples of `unit`. For `Replay`.

    Raises ValueError, one line that names the line.
    """
    header, table = _table(lines)
    names = [name.strip() for name in header]
    if column not in names:
        raise ValueError(f"the trace has no column {column!r}: it has {', '.join(names)}")
    return _sessions(table, names.index(column), column, as_ns(unit, "unit"))


def _sessions(table: Iterator[_Row], index: int, column: str, unit_ns: int) -> Iterator[Session]:
    start = None
    for line, at, cells in table:
        start = at if start is None else start
        length = _number(cells[index] if index < len(cells) else "", line, column)
        if length < 0:
            raise ValueError(f"line {line}: {column} {cells[index].strip()} is negative: a session lasts 0 or longer")
        yield at - start, round(length * unit_ns)


def _table(lines: Iterable[str]) -> tuple[list[str], Iterator[_Row]]:
    """Return the header, and the rows below it. Raises ValueError where there is none."""
    filled = ((line, cells) for line, cells in enumerate(csv.reader(lines), 1) if any(map(str.strip, cells)))
    line, header = next(filled, (0, []))
    if not header:
        raise ValueError("the trace is empty: write a header such as timestamp,count and a row for each bin")
    try:
        _instant(header[0], line)
    except ValueError:
        return header, _rows(filled)
    raise ValueError(f"line {line}: {','.join(header)} is no header: write a first line such as timestamp,count")


def _rows(filled: Iterator[tuple[int, list[str]]]) -> Iterator[_Row]:
    last = 0
    for line, cells in filled:
        at = _instant(cells[0], line)
        if at < last:
            raise ValueError(f"line {line}: {cells[0].strip()} is before the line above: sort by the first column")
        last = at
        yield line, at, cells


def _instant(cell: str, line: int) -> int:
    text = cell.strip()
    try:
        seconds = float(text)
    except ValueError:
        return _iso(text, line)
    if not 0 <= seconds <= _LATEST_S:
        raise ValueError(f"line {line}: {text} is no instant in seconds: are these milliseconds? divide them by 1000")
    return round(seconds * NS)


def _iso(text: str, line: int) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"line {line}: {text!r} is no instant: write 2014-04-10 00:04:00, or seconds") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1_000


def _count(cells: list[str], line: int) -> int:
    if len(cells) < 2:  # noqa: PLR2004 - instant and count
        raise ValueError(f"line {line}: {','.join(cells)} has no second column: write instant,count")
    counted = _number(cells[1], line, "count")
    if counted < 0:
        raise ValueError(f"line {line}: count {cells[1].strip()} is negative: nobody un-arrives")
    return round(counted)


def _number(text: str, line: int, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"line {line}: {what} {text.strip()!r} is no number")
    return number
