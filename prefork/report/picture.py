"""The picture: the same curves, for a document or a review; drawn without a browser."""

from __future__ import annotations

from io import BytesIO
from logging import ERROR, getLogger
from typing import TYPE_CHECKING, Any

from prefork.report.content import COLOURS, arrival_rate, sampled, workers
from prefork.report.page import PANELS

if TYPE_CHECKING:
    from prefork.report.content import Column, Content


def picture(content: Content) -> bytes:
    """Return a PNG. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only whoever draws pays for it

    getLogger("matplotlib").setLevel(ERROR)  # else it tells that its cache of fonts takes a moment
    name, unit = content.unit
    figure = Figure(figsize=(12, 10), layout="constrained")
    panels: Any = figure.subplots(4, 1, sharex=True, height_ratios=[2, 1, 1, 1])
    for index, column in enumerate(content.columns):
        _draw(panels, column, COLOURS[index % len(COLOURS)], unit)
    rate = arrival_rate(content.columns[0].run)
    panels[1].plot([at / unit for at in rate.at], rate.values, color="#555555", lw=0.8)
    for panel, title in zip(panels, PANELS, strict=True):
        panel.set_title(title, loc="left", fontsize=10)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    panels[0].legend(loc="upper right", fontsize=9)
    panels[-1].set_xlabel(f"time, {name}")
    figure.suptitle("\n".join(content.told), fontsize=9, wrap=True)
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    return drawn.getvalue()


def _draw(panels: Any, column: Column, colour: str, unit: int) -> None:  # noqa: ANN401 - an array of axes
    run = column.run
    live, sessions = workers(run), sampled(run, "sessions")
    queue, waits = sampled(run, "longest_queue"), sampled(run, "p99_wait")
    panels[0].step([at / unit for at in live.at], live.values, where="post", color=colour, lw=1.2, label=column.name)
    panels[0].plot([at / unit for at in sessions.at], sessions.values, color=colour, lw=0.8, ls=":")
    times = [at / unit for at in queue.at]
    panels[2].plot(times, queue.values, color=colour, lw=0.8)
    panels[3].plot(times, [value * 1000 for value in waits.values], color=colour, lw=0.8)
