"""A status answer as tables for people. Whatever an older or newer master leaves out is shown as a dash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prefork.policy.units import figure_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_DASH = "-"
_PIPE_WIDTH = 200
"""Columns where nobody's terminal says: rich would take 80 and cut."""


def show(answer: Mapping[str, Any], console: Console | None = None) -> None:
    """Print it."""
    console = console or out()
    console.print(Text(headline(answer.get("master", {}))))
    console.print(Text(figures_line(answer.get("master", {}))))
    for table in tables(answer):
        console.print()
        console.print(table)


def tables(answer: Mapping[str, Any]) -> Iterable[Table]:
    """Return the tables that have rows."""
    sections = (
        ("listeners", _listener, ("listener", "queue", "backlog")),
        ("mold", _mold, ("mold", "phase", "pid", "since", "error")),
        ("workers", _worker, _WORKER_COLUMNS),
        ("decisions", _decision, ("ago", "decision", "worker", "reason", "figures", "outcome")),
        ("withheld", _withheld, ("withheld", "count", "reason", "figures")),
    )
    for key, cells, columns in sections:
        rows = answer.get(key) or ()
        if rows:
            yield table_of(columns, [cells(row) for row in rows])
    if shadow := answer.get("shadow"):
        title = f"shadow {shadow.get('file')}: otherwise at {shadow.get('otherwise')} of {shadow.get('looks')} looks"
        rows = [(seconds(row.get("at_s")), str(row.get("text"))) for row in shadow.get("recent") or ()]
        yield table_of(("ago", title), rows)


def headline(master: Mapping[str, Any]) -> str:
    """Return who this is and how it is."""
    said = [
        f"{master.get('name', 'prefork')} {master.get('version', '')}".strip(),
        f"pid {_cell(master.get('pid'))}",
        _cell(master.get("state")),
        f"up {seconds(master.get('uptime_s'))}",
        f"generation {_cell(master.get('generation'))}",
    ]
    file = master.get("config_file")
    return ", ".join([*said, *([str(file)] if file else [])])


def figures_line(master: Mapping[str, Any]) -> str:
    """Return the pool's figures, and the odd ones where they aren't 0."""
    always = {
        "workers": f"{_cell(master.get('workers'))} of {_cell(master.get('max_workers'))}",
        **{name: _cell(master.get(name)) for name in ("spare", "busy", "sessions", "accepted", "queue", "wakeups")},
    }
    always["accept wait p99"] = _range(master.get("accept_wait_p99_ms"))
    odd = {name: master[name] for name in ("scale", "strangers_reaped", "log_lines_dropped") if master.get(name)}
    journal = master.get("journal") or {}
    if journal.get("dropped") or journal.get("writing") is False:
        odd["journal lines dropped"] = journal.get("dropped")
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in {**always, **odd}.items())


def seconds(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return `0.3s`, `42s`, `5m 3s`, `2h 0m`, `3d 4h`: two units at most."""
    if not isinstance(value, int | float):
        return _DASH
    if value < 10:  # noqa: PLR2004 - tenths matter only below
        return f"{value:.1f}s"
    whole = int(value)
    for name, size, lesser, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{name} {whole % size // part}{lesser}"
    return f"{whole}s"


def figures_text(figures: Mapping[str, Any] | None) -> str:
    """Return `spare 1, min_spare 5, silent 31s`: a name's unit becomes the value's."""
    return ", ".join(figure_text(name, value) for name, value in (figures or {}).items()) or _DASH


_WORKER_COLUMNS = (
    *(
        "worker",
        "pid",
        "phase",
        "generation",
        "paused by",
        "sessions",
        "served",
        "busy",
        "age",
        "last beat",
        "memory",
        "gate",
    ),
)


def _worker(row: Mapping[str, Any]) -> Sequence[str]:
    beat = row.get("last_beat_s")
    return (
        *(_cell(row.get(name)) for name in ("id", "pid", "phase", "generation")),
        _several(row.get("paused_by")),
        *(_cell(row.get(name)) for name in ("sessions", "served")),
        _percent(row.get("busy_share")),
        seconds(row.get("age_s")),
        _DASH if beat is None else f"{seconds(beat)} ago",
        _memory(row.get("rss_bytes")),
        _several(row.get("gate")),
    )


def _percent(share: Any) -> str:  # noqa: ANN401 - any JSON
    return f"{share:.0%}" if isinstance(share, int | float) else _DASH


def _range(ms: Any) -> str:  # noqa: ANN401 - any JSON
    """Return `under 1ms`, `4-8ms`, `1024ms or more`."""
    if not isinstance(ms, list | tuple):
        return _DASH
    low, high = ms
    if high is None:
        return f"{low}ms or more"
    return f"{low}-{high}ms" if low else f"under {high}ms"


def _mold(row: Mapping[str, Any]) -> Sequence[str]:
    generation, phase, pid, error = (_cell(row.get(name)) for name in ("generation", "phase", "pid", "error"))
    return generation, phase, pid, seconds(row.get("since_s")), error


def _listener(row: Mapping[str, Any]) -> Sequence[str]:
    return _cell(row.get("url")), _cell(row.get("queue")), _cell(row.get("backlog"))


def _decision(row: Mapping[str, Any]) -> Sequence[str]:
    kind, worker, reason, outcome = (_cell(row.get(name)) for name in ("kind", "worker", "reason", "outcome"))
    return seconds(row.get("at_s")), kind, worker, reason, figures_text(row.get("figures")), outcome


def _withheld(row: Mapping[str, Any]) -> Sequence[str]:
    return (*(_cell(row.get(name)) for name in ("want", "count", "reason")), figures_text(row.get("figures")))


def _cell(value: Any) -> str:  # noqa: ANN401 - any JSON
    return _DASH if value is None or value == "" else str(value)


def _several(value: Sequence[str] | None) -> str:
    return ", ".join(value) if value else _DASH


def _memory(value: Any) -> str:  # noqa: ANN401 - any JSON
    return f"{value / 2**20:.1f} MiB" if isinstance(value, int) and value else _DASH


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a plain table; a cell that is too long for its column is folded."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: a figure with brackets is no markup
    return table


def out() -> Console:
    """Return stdout: as wide as the terminal, or, in a pipe, 200 columns."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)
