"""The picture of bench/reality.py: for each load the workers over time, and below them how long connections waited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.reality import Pair
    from prefork.simulation import Run

REAL, SIMULATED = "#1f5fa8", "#d9622b"
_LEAST_MS, _MOST_MS = 0.5, 2000


def paint(file: Path, pairs: Sequence[Pair], lasts: float) -> None:
    """Write a PNG: two panels for each pair, the loads of one number of places in a row."""
    places = sorted({pair.places for pair in pairs})
    columns = len(pairs) // len(places)
    figure, axes = plt.subplots(2 * len(places), columns, figsize=(3.4 * columns, 4.2 * len(places)), squeeze=False)
    for index, pair in enumerate(pairs):
        row, column = divmod(index, columns)
        _workers(axes[2 * row][column], pair, lasts)
        _waits(axes[2 * row + 1][column], pair)
    axes[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=85, pil_kwargs={"optimize": True})


def _workers(axes: Axes, pair: Pair, lasts: float) -> None:
    real = [*pair.real.workers, (lasts, pair.real.workers[-1][1])]
    simulated = [(ns / 1e9, workers) for ns, workers in pair.simulated.workers]
    simulated.append((lasts, simulated[-1][1]))
    for steps, colour, label in ((real, REAL, "real pool"), (simulated, SIMULATED, "simulated")):
        axes.step(*zip(*steps, strict=True), where="post", color=colour, linewidth=1, label=label)
    axes.set_title(pair.title, fontsize=9)
    axes.set_xlim(0, lasts)
    axes.set_ylim(bottom=0)
    _label(axes, "s", "workers")


def _waits(axes: Axes, pair: Pair) -> None:
    """Paint the share of the connections that waited longer, both scales logarithmic."""
    waits = sorted(1e3 * answer.wait for answer in pair.real.answers)
    shares = [1 - nth / len(waits) for nth in range(len(waits))]
    axes.step(waits, shares, where="pre", color=REAL, linewidth=1)
    axes.step(*zip(*_longer(pair.simulated), strict=True), where="post", color=SIMULATED, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(_LEAST_MS, _MOST_MS)
    axes.set_ylim(5e-4, 1.1)
    axes.axvline(50, color="#bbbbbb", linewidth=0.8)
    _label(axes, "wait, ms", "share that waited longer")


def _longer(run: Run) -> list[tuple[float, float]]:
    left, points = float(run.waits.counted), []
    for ns, times in run.waits.bars():
        left -= times
        points.append((max(_LEAST_MS, ns / 1e6), left / run.waits.counted))
    return points


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(up, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
