"""The flags that `simulate` and `tune` share, and how their texts are read."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TypeVar

from cyclopts import Parameter

from prefork.errors import ConfigError
from prefork.simulation.figures import figure_named, parse_value
from prefork.simulation.words import LENGTHS, TRAFFICS, usage

if TYPE_CHECKING:
    from collections.abc import Callable

Read = TypeVar("Read")


def option(text: str, metavar: str | None = None, name: str | tuple[str, ...] | None = None) -> Parameter:
    """Return a flag without a negative form, whose text tells its default."""
    return Parameter(name=name, help=text, metavar=metavar, negative=(), show_default=False)


CONFIG = option("The config that is tried. Left out: ./prefork.toml, or the defaults.", "FILE", ("--config", "-c"))
TRAFFIC = option(
    "The load; several add up. A CSV file with a header, of counts an interval or of one session a line; what its "
    "columns mean may be said: FILE.csv:count=hits,interval=1m or FILE.csv:duration=took,unit=1ms,time_unit=1ms; also "
    f"gaps=nobody, rows=sessions, spread=evenly, scale=2. Or a kind: {usage(TRAFFICS)}; each with lasts= and length=.",
    "FILE|KIND:…",
)
LENGTH = option(
    f"How long sessions last, where --traffic doesn't say: a mean, or a kind: {usage(LENGTHS)}. Left out: "
    "exponential:200ms.",
    "MEAN|KIND:…",
)
LASTS = option("How long the load lasts, where --traffic doesn't say. Left out: 10m, or the recording.", "TIME")
SCALE = option("So many times the arrivals of a recording, such as 2 or 0.1.", "NUMBER")
SPAWN_TIME = option("From the order to a worker that accepts. Left out: 200ms.", "TIME")
BUSY = option(
    "Share of its time for which a session keeps its worker's loop busy, as what it computes. Left out: 5%.", "SHARE"
)
SEED = option("The first seed; a seed is a run, everywhere and always. Left out: 1.", "N")
SEEDS = option("So many runs, each with the next seed. Left out: 1.", "N")
TUNED_SEEDS = option("So many runs of each setting, each with the next seed. Left out: 3.", "N")
REPORT = option("Write a page with interactive plots, which needs no network: prefork[report].", "FILE.html")
PNG = option("Write the plots as a picture: prefork[report].", "FILE.png")
CORES = option("Processes that compute. Left out: one for each CPU.", "N")


def said(flag: str, read: Callable[[str], Read], text: str) -> Read:
    """Return what `read` makes of a flag's text. Raises ConfigError, which names the flag, for its ValueError."""
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError(f"{flag}: {error}") from None


def whole(flag: str, text: str | None, default: int, least: int = 1) -> int:
    """Return the whole number that a flag says. Raises ConfigError."""
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) < least:
        raise ConfigError(f"{flag}: {text!r} is no whole number from {least} on")
    return int(text)


def seeds_of(first: str | None, many: str | None, default: int) -> range:
    """Return the seeds. Raises ConfigError."""
    start = whole("--seed", first, 1, least=0)
    return range(start, start + whole("--seeds", many, default))


def cores_of(text: str | None) -> int:
    """Return how many processes compute. Raises ConfigError."""
    return whole("--cores", text, len(os.sched_getaffinity(0)))


def share_of(text: str) -> float:
    """Return a share from 0 to 1. Raises ValueError."""
    return parse_value(text, figure_named("share_over_50ms"))
