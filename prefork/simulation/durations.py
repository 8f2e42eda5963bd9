"""Durations and rates as a test writes them: seconds, or such as `30s`; integers in nanoseconds inside the room."""

from __future__ import annotations

import math

from prefork.policy.units import nanoseconds, parse_duration

Duration = float | str
"""Seconds, or a text such as `200ms`, `30s`, `1h`."""
NEVER = 1 << 62
"""An instant (ns) that no run reaches."""


def as_ns(duration: Duration, name: str = "duration") -> int:
    """Return whole nanoseconds. Raises ValueError, which names the field."""
    try:
        seconds = parse_duration(duration) if isinstance(duration, str) else float(duration)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return nanoseconds(at_least(seconds, 0.0, name))


def at_least(number: float, least: float, name: str) -> float:
    """Return the number. Raises ValueError for one that is under `least`, or not finite."""
    if not (math.isfinite(number) and number >= least):
        raise ValueError(f"{name} ({number:g}) is no number from {least:g} on")
    return number


def share(number: float, name: str) -> float:
    """Return the number. Raises ValueError for one that is no share."""
    if not 0 <= number <= 1:
        raise ValueError(f"{name} ({number:g}) is no share: write a number from 0 to 1")
    return number
