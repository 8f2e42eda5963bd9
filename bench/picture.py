"""The picture of the table: every ratio, its quartiles, and what is asked of it. Takes matplotlib (extra `report`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.table import Row

_MET, _SHORT, _DOUBT, _PEER = "#1f5fa8", "#c0392b", "#bbbbbb", "#5d6d7e"
_DPI = 85


def paint(file: Path, rows: Sequence[Row]) -> None:
    """Write a PNG: a line a ratio, the first on top."""
    figure, axes = plt.subplots(figsize=(9.5, 0.27 * len(rows) + 1.1))
    for place, row in enumerate(rows):
        assert row.ratio is not None
        low, high = row.ratio.value - row.ratio.low, row.ratio.high - row.ratio.value
        axes.errorbar(row.ratio.value, place, xerr=[[low], [high]], fmt="o", color=_colour(row), markersize=5)
        if row.floor is not None:
            axes.plot(row.floor, place, marker="|", color="black", markersize=11)
    axes.axvspan(0.97, 1.03, color="#eeeeee", zorder=0)
    axes.axvline(1, color="#999999", linewidth=0.8, zorder=1)
    axes.set_xscale("log")
    ticks = [0.2, 0.5, 0.75, 1, 1.5, 2, 3, 5]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(rows)), [row.figure for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("a peer's CPU for a request by prefork's", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=_DPI, pil_kwargs={"optimize": True})


def _colour(row: Row) -> str:
    if row.doubt:
        return _DOUBT
    return _PEER if row.met is None else _MET if row.met else _SHORT
