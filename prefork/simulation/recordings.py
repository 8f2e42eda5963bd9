"""A recording is read from the text of a CSV file: counts of arrivals an interval, or one session a line.

Theory. What a column means is said by `Columns`, or told by its name; what can't be told is asked for, never guessed:
a unit that is wrong by a thousand gives a load that is wrong by a thousand, and a figure that looks like any other.
Every ValueError is one line that names the line, the value and the cure. Nothing is opened here.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.units import NS, duration_text
from prefork.simulation.durations import as_ns
from prefork.simulation.headers import Columns, Roles, roles_of
from prefork.simulation.traces import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefork.simulation.durations import Duration
    from prefork.simulation.traffic import Session

_MOST_BINS = 10_000_000
_MOST_IN_A_BIN = 1_000_000_000
_LATEST_S = 100_000_000_000
"""In seconds since 1970 the year 5138: a larger number counts something else."""


class Arrivals(NamedTuple):
    """One session a line; `Recorded(*arrivals)` plays them."""

    instants: array[int]
    """In ns since the first, never falling."""
    lengths: array[int] | None
    """In ns; None: the recording has none."""


class _Row(NamedTuple):
    line: int
    at: int
    """In ns."""
    shown: str
    """The instant, as written."""
    cells: list[str]


class _Table(NamedTuple):
    header: list[str]
    roles: Roles
    rows: Iterator[_Row]


def read_recording(lines: Iterable[str], columns: Columns | None = None) -> Counts | Arrivals:
    """Read either kind. Raises ValueError, one line that names the line, the value and the cure."""
    columns = columns or Columns()
    table = _table(lines, columns)
    if table.roles.kind == "counts":
        return _counts(table, columns)
    instants, lengths = array("q"), array("q")
    for at, length in _sessions(table):
        instants.append(at)
        lengths.append(length)
    if not instants:
        raise ValueError("the trace has no line below its header: it needs one for each session")
    return Arrivals(instants, None if table.roles.value is None else lengths)


def read_counts(lines: Iterable[str], columns: Columns | None = None) -> Counts:
    """Read counts; if no columns are said, gaps count nobody. Raises ValueError as read_recording does."""
    columns = replace(columns or Columns(gaps="nobody"), rows="counts")
    return _counts(_table(lines, columns), columns)


def read_sessions(lines: Iterable[str], column: str, unit: Duration = "1s") -> Iterator[Session]:
    """Read one session a line, as it is needed, its length in `column`, in multiples of `unit`. For `Replay`.

    Raises ValueError as read_recording does.
    """
    return _sessions(_table(lines, Columns(duration=column, unit=unit)))


def _counts(table: _Table, columns: Columns) -> Counts:
    index = table.roles.value or 0
    rows = [(row, _count(row, index, table.header[index])) for row in table.rows]
    if table.roles.time is None:
        return _without_instants([counted for _, counted in rows], columns)
    width = _width([row for row, _ in rows], columns)
    if columns.gaps == "refused":
        _refuse_gaps([row for row, _ in rows], width, exact=columns.interval is None)
    start = rows[0][0].at
    bins = (rows[-1][0].at - start) // width + 1
    if bins > _MOST_BINS:
        raise ValueError(f"the trace is {bins} intervals of {duration_text(width)} long: is an instant wrong?")
    counts = [0] * bins
    for row, counted in rows:
        counts[(row.at - start) // width] += counted
    return Counts(tuple(counts), width / NS)


def _without_instants(counts: list[int], columns: Columns) -> Counts:
    if columns.interval is None:
        raise ValueError("the trace has no column of instants: say how far apart its counts are, such as interval=1m")
    if not counts:
        raise ValueError("the trace has no line below its header: it needs one for each interval")
    return Counts(tuple(counts), as_ns(columns.interval, "interval") / NS)


def _width(rows: list[_Row], columns: Columns) -> int:
    if columns.interval is not None and rows:
        if width := as_ns(columns.interval, "interval"):
            return width
        raise ValueError(f"interval ({columns.interval}) is too short: write how far apart the counts are, such as 1m")
    if len(rows) < 2:  # noqa: PLR2004 - a gap is between two
        raise ValueError(f"the trace has {len(rows)} rows of counts: how far apart they are takes two, or interval=1m")
    gaps = Counter(later.at - earlier.at for earlier, later in pairwise(rows) if later.at > earlier.at)
    if not gaps:
        raise ValueError("the trace has the same instant in every row: say how far apart they are: interval=1m")
    return gaps.most_common(1)[0][0]


def _refuse_gaps(rows: list[_Row], width: int, *, exact: bool) -> None:
    """Refuse rows that are further apart than `width`, and nearer ones where that is the whole interval."""
    odd = [
        (earlier, later)
        for earlier, later in pairwise(rows)
        if later.at - earlier.at > width or (exact and later.at - earlier.at < width)
    ]
    if not odd:
        return
    earlier, later = odd[0]
    others = f", the first of {len(odd)} such lines" if len(odd) > 1 else ""
    raise ValueError(
        f"line {later.line}: {later.shown} is {duration_text(later.at - earlier.at)} after the line above{others}, "
        f"where lines are {duration_text(width)} apart: add the missing lines, or say gaps=nobody if nobody came"
    )


def _sessions(table: _Table) -> Iterator[Session]:
    start, index, unit_ns = None, table.roles.value, table.roles.unit_ns
    name = "" if index is None else table.header[index].strip()
    for row in table.rows:
        start = row.at if start is None else start
        length = 0.0 if index is None else _number(row, index, name)
        if length < 0:
            raise ValueError(f"line {row.line}: {name} {length:g} is negative: a session lasts 0 or longer")
        if length * unit_ns > _LATEST_S * NS:
            raise ValueError(f"line {row.line}: {name} {length:g} is no length in this unit: say another, as unit=1ms")
        yield row.at - start, round(length * unit_ns)


def _table(lines: Iterable[str], columns: Columns) -> _Table:
    """Return the header, what its columns mean, and the rows below it."""
    filled = _filled(iter(lines))
    line, header = next(filled, (0, []))
    if not header:
        raise ValueError("the trace is empty: write a header such as timestamp,count and a line for each interval")
    if _is_instant(header[0]):
        raise ValueError(f"line {line}: {','.join(header)} is no header: write a first line such as timestamp,count")
    roles = roles_of(header, columns)
    return _Table(header, roles, _rows(filled, roles.time, as_ns(columns.time_unit, "time_unit")))


def _filled(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that isn't blank; commas, semicolons or tabs between them, as in the first."""
    skipped, first = next(((number, line) for number, line in enumerate(lines) if line.strip()), (0, ""))
    reader = csv.reader(chain([first], lines), delimiter=max(",;\t", key=first.count))
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield skipped + reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"line {skipped + reader.line_num}: it is no CSV: {error}") from None


def _rows(filled: Iterator[tuple[int, list[str]]], index: int | None, unit_ns: int) -> Iterator[_Row]:
    last = None
    for line, cells in filled:
        shown = "" if index is None else cells[index].strip() if index < len(cells) else ""
        at = 0 if index is None else _instant(shown, line, unit_ns)
        if last is not None and at < last:
            raise ValueError(f"line {line}: {shown} is before the line above: sort the lines by their instants")
        last = at
        yield _Row(line, at, shown, cells)


def _instant(text: str, line: int, unit_ns: int) -> int:
    try:
        number = float(text)
    except ValueError:
        return _iso(text, line)
    if math.isnan(number):
        raise ValueError(f"line {line}: {text} is no instant: leave the line out")
    if number < 0:
        raise ValueError(f"line {line}: {text} is negative: an instant is a time since the start, or since 1970")
    if number * unit_ns > _LATEST_S * NS:
        raise ValueError(
            f"line {line}: {text} is no instant in units of {duration_text(unit_ns)}: are these milliseconds? "
            "say time_unit=1ms"
        )
    return round(number * unit_ns)


def _iso(text: str, line: int) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"line {line}: {text!r} is no instant: write 2014-04-10 00:04:00, or seconds") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1_000


def _is_instant(cell: str) -> bool:
    try:
        _instant(cell.strip(), 0, 0)
    except ValueError:
        return False
    return True


def _count(row: _Row, index: int, name: str) -> int:
    counted = _number(row, index, name.strip())
    if counted < 0:
        raise ValueError(f"line {row.line}: {name.strip()} {counted:g} is negative: nobody un-arrives")
    if counted > _MOST_IN_A_BIN:
        raise ValueError(f"line {row.line}: {name.strip()} {counted:g} is over {_MOST_IN_A_BIN}: is it a count?")
    return round(counted)


def _number(row: _Row, index: int, name: str) -> float:
    if index >= len(row.cells):
        raise ValueError(f"line {row.line}: {','.join(row.cells)} has no column {name}: write a number for it")
    text = row.cells[index].strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"line {row.line}: {name} {text!r} is no number: write one, or leave the line out")
    return number
