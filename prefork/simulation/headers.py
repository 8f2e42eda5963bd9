"""Which column of a recording means what: as `Columns` says, or as its name tells; what nothing tells is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefork.policy.units import NS
from prefork.simulation.durations import as_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.simulation.durations import Duration

Kind = Literal["counts", "sessions"]

_COUNTS = {
    "arrivals",
    "calls",
    "connections",
    "count",
    "counts",
    "hits",
    "n",
    "requests",
    "sessions",
    "value",
    "visits",
}
_DURATIONS = {"duration", "elapsed", "latency", "length", "took"}
_TIMES_OF = {"handling", "processing", "request", "response", "service", "session"}
"""Before `time`, as in response_time, they make a duration of it."""
_UNITS = {
    **dict.fromkeys(("us", "micros", "microseconds", "usec"), NS // 1_000_000),
    **dict.fromkeys(("ms", "millis", "milliseconds", "msec"), NS // 1000),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), NS),
    **dict.fromkeys(("min", "minutes"), 60 * NS),
}
"""Last word of a column's name -> ns."""
_WAYS = (
    "say count=COLUMN (arrivals an interval), duration=COLUMN (one session a line), or rows=sessions (one arrival a "
    "line, its length drawn)"
)


@dataclass(frozen=True)
class Columns:
    """What the columns of a recording mean; what is left out is told by the header, or asked for."""

    time: str | None = None
    """The column of instants; else the first that is neither a count nor a duration."""
    count: str | None = None
    """The column of arrivals in the interval that begins at the line's instant."""
    duration: str | None = None
    """The column of lengths: each line is one session."""
    unit: Duration | None = None
    """Of `duration`; else the last word of its name, as in duration_ms."""
    time_unit: Duration = "1s"
    """Of instants that are numbers."""
    interval: Duration | None = None
    """From one count to the next; else the gap that is found most often."""
    rows: Kind | None = None
    """What a line is: counts, or one of the sessions."""
    gaps: Literal["refused", "nobody"] = "refused"
    """Whether a gap between counts is a mistake, or an interval in which nobody came."""


class Roles(NamedTuple):
    """Indices of columns."""

    kind: Kind
    time: int | None
    """None: the counts follow one another."""
    value: int | None
    """Of the count, or the duration; None: lengths are drawn."""
    unit_ns: int
    """Of the duration."""


def roles_of(header: Sequence[str], columns: Columns) -> Roles:
    """Return them. Raises ValueError for what isn't there, or can't be told."""
    names = [name.strip() for name in header]
    counts = [index for index, name in enumerate(names) if _is_count(name)]
    durations = [index for index, name in enumerate(names) if _is_duration(name)]
    kind = _kind(names, columns, (len(counts), len(durations)))
    said, guessed = (columns.count, counts) if kind == "counts" else (columns.duration, durations)
    value = _index(names, said) if said is not None else guessed[0] if len(guessed) == 1 else None
    time = _time(names, columns, {*counts, *durations} if value is None else {value})
    if kind == "counts" and value is None:
        value = _only_other(names, time)
    if kind == "sessions" and time is None:
        raise ValueError(f"no column of instants beside {names[value or 0]}: sessions come at an instant each")
    unit_ns = _unit(names[value], columns) if kind == "sessions" and value is not None else NS
    return Roles(kind, time, value, unit_ns)


def _kind(names: list[str], columns: Columns, found: tuple[int, int]) -> Kind:
    """Return what a line is; `found`: how many columns look like a count, how many like a duration."""
    if columns.count is not None and columns.duration is not None:
        raise ValueError("count and duration: a line is one of them: leave one out")
    if columns.count is not None or columns.duration is not None:
        return "sessions" if columns.count is None else "counts"
    if columns.rows is not None:
        return columns.rows
    if found == (1, 0):
        return "counts"
    if found == (0, 1) or (found == (0, 0) and len(names) == 1):
        return "sessions"
    raise ValueError(f"the columns {', '.join(names)} don't tell what a line is: {_WAYS}")


def _time(names: list[str], columns: Columns, values: set[int]) -> int | None:
    if columns.time is not None:
        return _index(names, columns.time)
    return next((index for index in range(len(names)) if index not in values), None)


def _only_other(names: list[str], time: int | None) -> int:
    others = [index for index in range(len(names)) if index != time]
    if len(others) != 1:
        raise ValueError(f"which of the columns {', '.join(names)} counts arrivals? say count=COLUMN")
    return others[0]


def _index(names: list[str], wanted: str) -> int:
    if wanted not in names:
        raise ValueError(f"the trace has no column {wanted!r}: it has {', '.join(names)}")
    return names.index(wanted)


def _unit(name: str, columns: Columns) -> int:
    if columns.unit is not None:
        return as_ns(columns.unit, "unit")
    words = _words(name)
    if len(words) > 1 and words[-1] in _UNITS:
        return _UNITS[words[-1]]
    raise ValueError(f"column {name!r} doesn't tell its unit: say unit=1ms or unit=1s, or name it {name}_ms")


def _is_duration(name: str) -> bool:
    words = _words(name)
    return bool(_DURATIONS & {*words}) or ("time" in words and bool(_TIMES_OF & {*words}))


def _is_count(name: str) -> bool:
    return bool(_COUNTS & {*_words(name)}) and not _is_duration(name)


def _words(name: str) -> list[str]:
    """Return `response`, `time`, `ms` of response_time_ms, ResponseTimeMs and `response time (ms)`."""
    return (
        re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
        .lower()
        .replace("_", " ")
        .replace("-", " ")
        .translate(str.maketrans("()[].", "     "))
        .split()
    )
