"""The settings that were tried for a load: what each costs, against how many wait; the unbeaten ones by their churn."""

from __future__ import annotations

from html import escape
from io import BytesIO
from logging import ERROR, getLogger
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.report.document import document, plots
from prefork.simulation.figures import Unit, value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.simulation.frontier import Point

_COST = "workers on average"


class Tuned(NamedTuple):
    """All that is told of a search."""

    told: Sequence[str]
    """What was played, in lines."""
    wait: str
    """The longest wait that is still good."""
    points: Sequence[Point]
    """All that were tried."""
    unbeaten: Sequence[Point]
    best: Point
    verdict: str
    """What is to be said of the best."""
    toml: str

    @property
    def axis(self) -> str:
        """What the upright axis counts."""
        return f"% of the connections that waited over {self.wait}"


def settings_page(tuned: Tuned) -> str:
    """Return the HTML. Raises ImportError without plotly."""
    return document(
        "prefork tune",
        [*tuned.told, f"{_setting(tuned.best)}: {tuned.verdict}."],
        [f"<pre>{escape(tuned.toml)}</pre>", plots(_figure(tuned))],
    )


def settings_picture(tuned: Tuned) -> bytes:
    """Return a PNG. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only whoever draws pays for it

    getLogger("matplotlib").setLevel(ERROR)  # else it tells that its cache of fonts takes a moment
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes: Any = figure.subplots()
    axes.scatter(*_places(tuned.points), s=14, color="#cccccc", label="beaten by another")
    flaps = [point.flaps for point in tuned.unbeaten]
    marks = axes.scatter(*_places(tuned.unbeaten), s=36, c=flaps, cmap="viridis_r", label="unbeaten")
    axes.scatter(*_places([tuned.best]), s=240, marker="*", color="#d62728", label=_setting(tuned.best))
    figure.colorbar(marks, label="flaps an hour")
    axes.set_xlabel(_COST)
    axes.set_ylabel(tuned.axis)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.suptitle("\n".join(tuned.told), fontsize=9, wrap=True)
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    return drawn.getvalue()


def _figure(tuned: Tuned) -> Any:  # noqa: ANN401 - plotly has no types
    from plotly.graph_objects import Figure  # noqa: PLC0415 - as above

    figure = Figure()
    flaps = [point.flaps for point in tuned.unbeaten]
    coloured = {"size": 10, "color": flaps, "colorscale": "Viridis", "reversescale": True, "showscale": True}
    coloured["colorbar"] = {"title": {"text": "flaps an hour"}}
    _add(figure, "beaten by another", tuned.points, {"size": 6, "color": "#cccccc"})
    _add(figure, "unbeaten", tuned.unbeaten, coloured)
    _add(figure, _setting(tuned.best), [tuned.best], {"size": 18, "symbol": "star", "color": "#d62728"})
    figure.update_xaxes(title_text=_COST)
    figure.update_yaxes(title_text=tuned.axis, rangemode="tozero")
    figure.update_layout(
        height=700, template="plotly_white", hovermode="closest", legend={"orientation": "h", "y": 1.1}
    )
    return figure


def _add(figure: Any, name: str, points: Sequence[Point], marker: dict[str, Any]) -> None:  # noqa: ANN401 - as above
    x, y = _places(points)
    text = [escape(_told(point)).replace("\n", "<br>") for point in points]
    template = "%{text}<extra></extra>"
    figure.add_scatter(x=x, y=y, text=text, hovertemplate=template, mode="markers", marker=marker, name=name)


def _places(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.workers for point in points], [point.slow * 100 for point in points]


def _setting(point: Point) -> str:
    setting = point.setting
    bounds = f"min {setting.min_workers}, max {setting.max_workers}"
    return f"headroom {setting.headroom:g}, hold {setting.hold}s, {bounds}"


def _told(point: Point) -> str:
    slow = value_text(point.slow, Unit.SHARE)
    return f"{_setting(point)}\n{slow} wait too long\n{point.workers:.3g} workers\n{point.flaps:.1f} flaps an hour"
