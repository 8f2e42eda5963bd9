"""The page: figures in a table, and plots that can be zoomed and asked; one file that opens without a network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from prefork.report.content import COLOURS, Content, arrival_rate, kinds, left_out, marks, sampled, workers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.report.content import Column, Curve

PANELS = ("workers, and sessions (dotted)", "connections a second", "waiting connections", "99 % wait no longer, ms")
_SYMBOLS = {"spawn": "triangle-up", "retire": "triangle-down", "drain": "triangle-down-open", "kill": "x"}
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 78em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
td:first-child { border-bottom-style: dotted; }
.wide { overflow-x: auto; }
.holds { color: #17692a; } .fails { color: #b3261e; font-weight: bold; } .note { color: #666; }
"""


def page(content: Content) -> str:
    """Return the HTML. Raises ImportError without plotly."""
    from plotly.io import to_html  # noqa: PLC0415 - only whoever draws pays for it

    plots = to_html(_figure(content), include_plotlyjs=True, full_html=False, config={"displaylogo": False})
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f"<title>{escape(_title(content))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{escape(_title(content))}</h1>",
            *(f"<p>{escape(line)}</p>" for line in content.told),
            _verdicts(content),
            _table(content),
            plots,
            *(f'<p class="note">{escape(note)}</p>' for note in _notes(content.columns)),
            "</body>\n</html>\n",
        ]
    )


def _title(content: Content) -> str:
    return f"prefork simulate: {', '.join(column.name for column in content.columns)}"


def _verdicts(content: Content) -> str:
    lines = [f'<li class="{"holds" if holds else "fails"}">{escape(told)}</li>' for holds, told in content.verdicts]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _table(content: Content) -> str:
    head = "".join(f"<th>{escape(column.name)}</th>" for column in content.columns)
    lines = [
        f'<tr><td title="{escape(row.about)}">{escape(row.name)}</td>'
        f"{''.join(f'<td>{escape(value)}</td>' for value in row.values)}</tr>"
        for row in content.rows
    ]
    return (
        f'<div class="wide"><table><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _notes(columns: Iterable[Column]) -> list[str]:
    return [
        f"{column.name}: {missing:,} of {column.run.decided:,} decisions are not drawn."
        for column in columns
        if (missing := left_out(column.run))
    ]


def _figure(content: Content) -> Any:  # noqa: ANN401 - plotly has no types
    from plotly.subplots import make_subplots  # noqa: PLC0415 - as above

    name, unit = content.unit
    titles = {"subplot_titles": PANELS, "row_heights": [0.4, 0.2, 0.2, 0.2]}
    figure = make_subplots(rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.05, **titles)
    for index, column in enumerate(content.columns):
        _draw(figure, column, COLOURS[index % len(COLOURS)], unit)
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
    _add(figure, 2, arrival_rate(run), unit, quiet)
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
            name=f"{kind} ({len(found)})",
            row=1,
            col=1,
        )


def _add(figure: Any, row: int, curve: Curve, unit: int, style: dict[str, Any]) -> None:  # noqa: ANN401 - as above
    figure.add_scatter(x=[at / unit for at in curve.at], y=curve.values, row=row, col=1, **style)
