"""The page: figures in a table, and plots that can be zoomed and asked; one file that opens without a network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from prefork.report.content import (
    COLOURS,
    MOST_COLUMNS,
    Content,
    arrival_rate,
    kinds,
    left_out,
    marks,
    sampled,
    workers,
)
from prefork.report.document import document, plots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.report.content import Column, Curve

PANELS = ("workers, and sessions (dotted)", "connections a second", "waiting connections", "99 % wait no longer, ms")
_SYMBOLS = {"spawn": "triangle-up", "retire": "triangle-down", "drain": "triangle-down-open", "kill": "x"}


def page(content: Content) -> str:
    """Return the HTML. Raises ImportError without plotly."""
    notes = [f'<p class="note">{escape(note)}</p>' for note in _notes(content.columns)]
    parts = [_verdicts(content), _table(content), plots(_figure(content)), *notes]
    return document(_title(content), content.told, parts)


def _title(content: Content) -> str:
    names = [column.name for column in content.columns]
    more = f" and {len(names) - MOST_COLUMNS} others" if len(names) > MOST_COLUMNS else ""
    return f"prefork simulate: {', '.join(names[:MOST_COLUMNS])}{more}"


def _verdicts(content: Content) -> str:
    lines = [f'<li class="{"holds" if holds else "fails"}">{escape(told)}</li>' for holds, told in content.verdicts]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _table(content: Content) -> str:
    """Return a column for each policy, or, of many, a line."""
    names = ["<th></th>", *(f"<th>{escape(column.name)}</th>" for column in content.columns)]
    lines = [
        [
            f'<th title="{escape(row.about)}">{escape(row.name)}</th>',
            *(f"<td>{escape(each)}</td>" for each in row.values),
        ]
        for row in content.rows
    ]
    cells = [names, *lines]
    if len(content.columns) > MOST_COLUMNS:
        cells = [list(line) for line in zip(*cells, strict=True)]
    table = "".join(f"<tr>{''.join(line)}</tr>" for line in cells)
    return f'<div class="wide"><table>{table}</table></div>'


def _notes(columns: Iterable[Column]) -> list[str]:
    return [
        f"{column.name}: {missing:,} of {column.run.decided:,} decisions are not drawn."
        for column in columns
        if (missing := left_out(column.run))
    ]


def _figure(content: Content) -> Any:  # noqa: ANN401 - plotly has no types
    from plotly.subplots import make_subplots  # noqa: PLC0415 - only whoever draws pays for it

    name, unit = content.unit
    titles = {"subplot_titles": PANELS, "row_heights": [0.4, 0.2, 0.2, 0.2]}
    figure = make_subplots(rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.05, **titles)
    for index, column in enumerate(content.columns):
        _draw(figure, column, COLOURS[index % len(COLOURS)], unit)
        if index >= MOST_COLUMNS:
            figure.update_traces(visible="legendonly", selector={"legendgroup": column.name})
    figure.update_traces(showlegend=False, selector={"mode": "markers"})
    rate = arrival_rate(content.columns[0].run)
    _add(
        figure, 2, rate, unit, {"mode": "lines", "line": {"color": "#555", "width": 1}, "showlegend": False, "name": ""}
    )
    figure.update_xaxes(title_text=f"time, {name}", row=4, col=1)
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(height=1100, template="plotly_white", hovermode="closest", margin={"l": 60, "r": 20, "t": 60})
    figure.update_layout(legend={"orientation": "h", "y": 1.06, "yanchor": "bottom"})
    return figure


def _draw(figure: Any, column: Column, colour: str, unit: int) -> None:  # noqa: ANN401 - as above
    run, name = column.run, column.name
    line: dict[str, Any] = {"legendgroup": name, "mode": "lines", "line": {"color": colour, "width": 1.5}}
    dotted = line | {"line": {"color": colour, "width": 1, "dash": "dot"}, "showlegend": False}
    _add(figure, 1, workers(run), unit, line | {"name": name, "line": line["line"] | {"shape": "hv"}})
    _add(figure, 1, sampled(run, "sessions"), unit, dotted | {"name": f"{name}, sessions"})
    quiet = line | {"name": name, "showlegend": False}
    waits = sampled(run, "p99_wait")
    _add(figure, 3, sampled(run, "longest_queue"), unit, quiet)
    _add(figure, 4, waits._replace(values=[value * 1000 for value in waits.values]), unit, quiet)
    for kind, found in kinds(marks(run)):
        marker = {"symbol": _SYMBOLS.get(kind, "circle-open"), "size": 7, "color": colour, "opacity": 0.7}
        figure.add_scattergl(
            x=[mark.at / unit for mark in found],
            y=[mark.workers for mark in found],
            text=[escape(mark.text).replace("\n", "<br>") for mark in found],
            hovertemplate="%{text}<extra>" + escape(name) + "</extra>",
            mode="markers",
            marker=marker,
            legendgroup=name,
            name=kind,
            row=1,
            col=1,
        )


def _add(figure: Any, row: int, curve: Curve, unit: int, style: dict[str, Any]) -> None:  # noqa: ANN401 - as above
    figure.add_scatter(x=[at / unit for at in curve.at], y=curve.values, row=row, col=1, **style)
