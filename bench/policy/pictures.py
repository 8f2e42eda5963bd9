"""The pictures of docs/POLICY.md, of the same runs: small PNG files. Takes matplotlib (extra `report`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from prefork.simulation import Host, simulate

from . import loads, policies
from .claims import frontier, pooled
from .policies import DEFAULT, PREFORK, Policy

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter, PercentFormatter

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .claims import Point
    from .runs import Case, Figures

_OURS, _THEIRS = "#c0392b", "#5d6d7e"
_DPI = 80
_SHOWN = (PREFORK, "apache", "net-server", "kubernetes-hpa")


def draw(found: dict[Case, Figures], out: Path) -> None:
    """Write `policy-axes.png`, `policy-tuned.png` and `policy-flash.png` into the directory."""
    out.mkdir(parents=True, exist_ok=True)
    _axes(found, out / "policy-axes.png")
    if any(case.policy.setting != DEFAULT for case in found):
        _tuned(found, out / "policy-tuned.png")
    _flash(out / "policy-flash.png")


def _axes(found: dict[Case, Figures], path: Path) -> None:
    """Everybody at its defaults: waits against workers, the dot as large as the churn."""
    found = {case: its for case, its in found.items() if case.policy.setting == DEFAULT}
    shared = {case[1:] for case in found if case.policy.is_prefork}
    figure, sides = plt.subplots(1, 2, figsize=(11, 5), sharey=True)
    for side, places in zip(sides, (1, 10), strict=True):
        points = pooled({case: its for case, its in found.items() if case[1:] in shared and case.places == places})
        for policy, its in points.items():
            _dot(side, policy, its)
        side.set(title=_places(places), xlabel="live workers, mean", yscale="log")
        side.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        side.yaxis.set_minor_formatter(NullFormatter())
    sides[0].set_ylabel("share of connections that waited over 50 ms")
    figure.suptitle("Everybody at its defaults, over all loads; the larger the dot, the more flaps")
    _save(figure, path)


def _dot(side: Axes, policy: Policy, its: Point) -> None:
    colour = _OURS if policy.is_prefork else _THEIRS
    side.scatter(its.workers, its.slow, s=12 + its.flaps / 2, color=colour, alpha=0.6, linewidths=0)
    side.annotate(
        policy.name, (its.workers, its.slow), xytext=(5, 4), textcoords="offset points", fontsize=8, color=colour
    )


def _tuned(found: dict[Case, Figures], path: Path) -> None:
    """Settings that nobody dominates, on the loads held out."""
    names = {load.name for load in loads.LOADS if load.use == "held out"}
    wanted = {case for case in found if case.load in names and (case.places, case.spawn_time, case.seed) == (1, 0.2, 1)}
    tuned = {case: found[case] for case in wanted}
    figure, side = plt.subplots(figsize=(8, 5))
    points = pooled(tuned)
    best = {policy: its for policy, its in frontier(points).items() if its.slow < 0.2}
    for ours, marker in ((True, "D"), (False, "o")):
        shown = [its for policy, its in best.items() if policy.is_prefork == ours]
        dots = side.scatter(
            [its.workers for its in shown],
            [its.slow for its in shown],
            c=[its.flaps for its in shown],
            marker=marker,
            s=60 if ours else 25,
            edgecolors=_OURS if ours else "none",
            norm="symlog",
            cmap="viridis",
            vmin=0,
            vmax=1000,
            label="prefork's settings" if ours else "peers' settings",
        )
    figure.colorbar(dots, label="flaps an hour")
    side.set(xlabel="live workers, mean", ylabel="share that waited over 50 ms", yscale="log")
    side.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    side.set_title("Settings that none dominates, loads held out, one session a worker")
    side.legend()
    _save(figure, path)


def _flash(path: Path) -> None:
    """Workers over time in a flash crowd."""
    figure, side = plt.subplots(figsize=(9, 4.5))
    traffic = loads.BY_NAME["flash"].traffic(1)
    for name in _SHOWN:
        policy = Policy(name)
        run = simulate(policies.config_of(policy, 1), traffic, 1, Host(lull="0s"), policies.decide_of(policy))
        label = f"{name}: {run.slow():.1%} waited over 50 ms"
        side.plot(
            [one.at for one in run.samples],
            [one.workers for one in run.samples],
            label=label,
            linewidth=1.4,
            color=_OURS if policy.is_prefork else None,
        )
        if policy.is_prefork:
            sessions = [one.sessions for one in run.samples]
            side.fill_between([one.at for one in run.samples], sessions, color="#d5dbdb", label="sessions held")
    side.set(xlabel="seconds", ylabel="live workers", title="A flash crowd: 3 a second, then 40 within 5 s")
    side.legend(fontsize=8)
    _save(figure, path)


def _places(places: int) -> str:
    return "one session a worker" if places == 1 else f"{places} sessions a worker"


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
