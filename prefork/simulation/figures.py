"""The figures of a run by name, each with its unit: what tables show, and what an expectation is about."""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.units import NS, parse_duration
from prefork.simulation.durations import as_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.simulation.run import Run

HOUR_S = 3600


class Unit(Enum):
    """What a figure is counted in."""

    SECONDS = "seconds"
    SHARE = "share"
    NUMBER = "number"


class Figure(NamedTuple):
    """One figure of a run."""

    name: str
    unit: Unit
    about: str
    of: Callable[[Run], float]


_WAITED = "from arrival to accept; a refused connection counts as 30 s"
FIGURES = (
    Figure("p50_wait", Unit.SECONDS, f"half of the connections waited no longer, {_WAITED}", lambda run: run.p50_wait),
    Figure("p90_wait", Unit.SECONDS, "all but a tenth waited no longer", lambda run: run.wait_quantile(0.9)),
    Figure("p99_wait", Unit.SECONDS, "all but a hundredth waited no longer", lambda run: run.p99_wait),
    Figure("p999_wait", Unit.SECONDS, "all but a thousandth waited no longer", lambda run: run.wait_quantile(0.999)),
    Figure("longest_wait", Unit.SECONDS, "nobody waited longer", lambda run: run.wait_quantile(1)),
    Figure("mean_wait", Unit.SECONDS, "of those who were accepted", lambda run: run.mean_wait),
    Figure("share_over_50ms", Unit.SHARE, "of the connections, who waited over 50 ms", lambda run: run.slow()),
    Figure("mean_workers", Unit.NUMBER, "processes, averaged over time", lambda run: run.mean_workers),
    Figure("most_workers", Unit.NUMBER, "the most processes that there ever were", lambda run: run.workers.most),
    Figure("worker_hours", Unit.NUMBER, "what they cost", lambda run: run.worker_seconds / HOUR_S),
    Figure("mean_sessions", Unit.NUMBER, "held at a time", lambda run: run.mean_sessions),
    Figure("mean_queue", Unit.NUMBER, "connections that waited at a time", lambda run: run.mean_queue),
    Figure(
        "longest_queue",
        Unit.NUMBER,
        "the most connections that ever waited",
        lambda run: max((each.longest_queue for each in run.samples), default=0),
    ),
    Figure("births", Unit.NUMBER, "workers that were born", lambda run: run.births()),
    Figure("flaps", Unit.NUMBER, "births within 30 s of an end that each undoes", lambda run: run.flaps),
    Figure("flaps_per_hour", Unit.NUMBER, "the same, an hour", lambda run: run.flaps * HOUR_S / run.seconds),
    Figure("decisions", Unit.NUMBER, "of the policy", lambda run: run.decided),
    Figure("arrivals", Unit.NUMBER, "connections that came", lambda run: run.arrivals),
    Figure("served", Unit.NUMBER, "sessions that ended by themselves", lambda run: run.served),
    Figure("refused", Unit.NUMBER, "connections that found the accept queue full", lambda run: run.refused),
    Figure("lost", Unit.NUMBER, "sessions cut off with their worker", lambda run: run.lost),
    Figure(
        "settles_within",
        Unit.SECONDS,
        "from the last change of the load to the last one of the size",
        lambda run: run.settles_after,
    ),
)
"""In the order of a table."""
_NAMED = {figure.name: figure for figure in FIGURES}


def figure_named(name: str) -> Figure:
    """Return it; `share_over_` may be of any duration. Raises ValueError, which lists what there is."""
    if name in _NAMED:
        return _NAMED[name]
    if name.startswith("share_over_"):
        limit = name.removeprefix("share_over_")
        as_ns(limit, name)
        return Figure(name, Unit.SHARE, f"who waited over {limit}", lambda run: run.share_waiting_over(limit))
    close = get_close_matches(name, _NAMED, n=1)
    guess = f"; did you mean {close[0]}?" if close else ":"
    raise ValueError(f"there is no figure {name!r}{guess} known are {', '.join(_NAMED)} (of any duration: share_over_)")


def parse_value(text: str, figure: Figure) -> float:
    """Return a number of the figure's unit: seconds, a share from 0 to 1, or a plain one. Raises ValueError."""
    if figure.unit is Unit.SECONDS:
        return parse_duration(text)
    percent = figure.unit is Unit.SHARE and text.endswith("%")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.removesuffix("%").strip() if percent else text, re.ASCII):
        share, number = "a share: write such as 1% or 0.01", f"a plain number, as of {figure.name}: write such as 12.5"
        raise ValueError(f"{text!r} is not {share if figure.unit is Unit.SHARE else number}")
    value = float(text.removesuffix("%")) / (100 if percent else 1)
    if figure.unit is Unit.SHARE and value > 1:
        raise ValueError(f"{text!r} is not a share: write such as 1% or 0.01")
    return value


def value_text(value: float, unit: Unit) -> str:
    """Return `12.3ms`, `1.25s`, `0.31%`, `12.4`, `1,234`: three digits that matter, or a whole number as it is."""
    if unit is Unit.SECONDS:
        return _seconds_text(value)
    if unit is Unit.SHARE:
        return f"{value * 100:.3g}%"
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _seconds_text(seconds: float) -> str:
    ns = round(seconds * NS)
    if ns < NS:
        return "0ms" if ns == 0 else f"{seconds * 1000:.3g}ms"
    return f"{seconds:.4g}s" if seconds < HOUR_S else f"{seconds / HOUR_S:.4g}h"
