"""What `--traffic` says: a kind of load in a word, or the CSV file of a recording. Several add up."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from difflib import get_close_matches
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from prefork.cli.options import said
from prefork.cli.tables import seconds
from prefork.errors import ConfigError
from prefork.policy.units import duration_text, nanoseconds, parse_duration
from prefork.simulation import Columns, Counts, Exponential, Recorded, Trace, length_of, read_recording, traffic_of
from prefork.simulation.durations import as_ns, at_least
from prefork.simulation.words import TRAFFICS, pairs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.simulation import Arrivals, Length, Traffic

Read = TypeVar("Read")
_CHOICES = {"rows": ("counts", "sessions"), "gaps": ("refused", "nobody"), "spread": ("poisson", "evenly")}
_COLUMNS = tuple(field.name for field in fields(Columns))
FILE_KEYS = (*_COLUMNS, "spread", "scale", "lasts", "length")
_CURE = "say a FILE.csv, or such as flash:base=5,peak=100 or poisson:rate=20"


class Load(NamedTuple):
    """A load, and what it is in words."""

    traffic: Traffic
    told: tuple[str, ...]
    """A line for each `--traffic`."""


class Defaults(NamedTuple):
    """What holds for each `--traffic` that doesn't say otherwise."""

    lasts: str | None = None
    """None: 10 minutes, or as long as the recording."""
    length: Length = Exponential()
    scale: float = 1.0
    """Of recordings."""

    @classmethod
    def of(cls, lasts: str | None, length: str | None, scale: str | None) -> Defaults:
        """Return what the flags say. Raises ConfigError."""
        checked = None if lasts is None else said("--lasts", _duration, lasts)
        drawn = Exponential() if length is None else said("--length", length_of, length)
        return cls(checked, drawn, 1.0 if scale is None else said("--scale", _factor, scale))


def load_of(words: Sequence[str], defaults: Defaults) -> Load:
    """Return all of the loads together. Raises ConfigError, one line that names the word, or the file and its line."""
    if not words:
        raise ConfigError(f"--traffic: not given: {_CURE}")
    parts = [_part(word, defaults) for word in words]
    if defaults.scale != 1 and not any(isinstance(part, Trace | Recorded) for part, _ in parts):
        raise ConfigError("--scale: it multiplies recordings, and --traffic names no file: write other numbers there")
    return Load(reduce(add, (part for part, _ in parts)), tuple(told for _, told in parts))


def _part(word: str, defaults: Defaults) -> tuple[Traffic, str]:
    try:
        if word.partition(":")[0].strip() in TRAFFICS:
            given: dict[str, Any] = {"length": defaults.length} | ({"lasts": defaults.lasts} if defaults.lasts else {})
            return traffic_of(word, **given), word
        return _recording(word, defaults)
    except ValueError as error:
        raise ConfigError(f"--traffic {word}: {error}{_where(str(error), word)}") from None


def _recording(word: str, defaults: Defaults) -> tuple[Traffic, str]:
    path, given = _split(word)
    columns = Columns(**{key: value for key, value in given.items() if key in _COLUMNS})  # type: ignore[arg-type]
    length = length_of(given["length"]) if "length" in given else defaults.length
    scale = _factor(given["scale"]) if "scale" in given else defaults.scale
    spread: Any = given.get("spread", "poisson")
    common: dict[str, Any] = {"length": length, "scale": scale, "lasts": given.get("lasts", defaults.lasts)}
    recording = _read(path, columns)
    if isinstance(recording, Counts):
        traffic: Traffic = Trace(*recording, **common, spread=spread)
    else:
        traffic = Recorded(*recording, **common)
    traffic.lasts_ns  # noqa: B018 - raises ValueError where it can't be
    return traffic, f"{path}: {_told(recording, spread, scale)}"


def _split(word: str) -> tuple[str, dict[str, str]]:
    """Return path and what is said of it: `FILE:count=hits,interval=1m`."""
    found = None if os.path.exists(word) else re.fullmatch(r"(?P<path>.+?):(?P<rest>\w+=.*)", word, re.DOTALL)
    path = word if found is None else found["path"]
    if not os.path.exists(path):
        raise ValueError(f"there is no such file{_other_than(path)}")
    if found is None:
        return word, {}
    given = pairs_of(found["rest"], FILE_KEYS)
    for key, choices in _CHOICES.items():
        if given.get(key, choices[0]) not in choices:
            raise ValueError(f"{key}: {given[key]!r} is neither {' nor '.join(choices)}")
    for key in ("unit", "time_unit", "interval", "lasts"):
        if key in given and not as_ns(given[key], key):
            raise ValueError(f"{key}: {given[key]} is nothing: write such as 1ms or 1m")
    return path, given


def _read(path: str, columns: Columns) -> Counts | Arrivals:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as lines:
            return read_recording(lines, columns)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no CSV: byte 0x{error.object[error.start]:02x} is not UTF-8") from None
    except OSError as error:
        raise ValueError(f"it can't be read: {error.strerror}") from None


def _other_than(path: str) -> str:
    """Return what else may have been meant by a word that looks like no file."""
    kind = path.partition(":")[0].strip()
    if re.search(r"[./]", kind):
        return ""
    close = get_close_matches(kind, TRAFFICS, n=1)
    return f", and no such kind of load: {f'did you mean {close[0]}?' if close else _CURE}"


def _where(error: str, word: str) -> str:
    """Return where that is to be said which an error asks for."""
    found = re.search(r"\bsay (\w+=\w+)", error)
    return f" (as in {word}{',' if re.search(r':.+=', word) else ':'}{found[1]})" if found else ""


def _told(recording: Counts | Arrivals, spread: str, scale: float) -> str:
    """Return what was read, so that a wrong column or unit is seen at once."""
    times = "" if scale == 1 else f", times {scale:g}"
    if isinstance(recording, Counts):
        width = nanoseconds(recording.width)
        how = "as independent clients come" if spread == "poisson" else "evenly"
        return (
            f"{sum(recording.counts):,} arrivals{times} in {len(recording.counts):,} intervals of "
            f"{duration_text(width)}, spread {how} within each"
        )
    instants, lengths = recording
    lasted = seconds(instants[-1] / 1e9)
    mean = "lengths drawn" if lengths is None else f"{sum(lengths) / len(lengths) / 1e9:.3g}s long on average"
    return f"{len(instants):,} sessions{times} in {lasted}, {mean}"


def _factor(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number: write such as 2 or 0.1") from None
    return at_least(number, 0.0, "scale")


def _duration(text: str) -> str:
    if not nanoseconds(parse_duration(text)):
        raise ValueError(f"{text} is nothing: write such as 10m")
    return text
