"""Durations and sizes as people write them, and back: `30s`, `500ms`, `256MiB`, `1GB`."""

from __future__ import annotations

import re

NS = 1_000_000_000
"""Nanoseconds in a second."""

DURATION_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*(us|ms|s|m|h|d)?\s*$"
SIZE_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?\s*$"

# Largest first: the text of a value is its largest unit that leaves no fraction.
_NANOSECONDS = {"d": 86_400 * NS, "h": 3_600 * NS, "m": 60 * NS, "s": NS, "ms": 1_000_000, "us": 1_000}
_BINARY = {"TiB": 1024**4, "GiB": 1024**3, "MiB": 1024**2, "KiB": 1024}
_DECIMAL = {"TB": 1000**4, "GB": 1000**3, "MB": 1000**2, "KB": 1000, "kB": 1000, "B": 1}
_BYTES = _BINARY | _DECIMAL


def parse_duration(text: str) -> float:
    """Seconds; a bare number is seconds. Raises ValueError."""
    if not re.match(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(f'{text!r} is no duration: write seconds as a number, or such as "30s", "500ms", "2m" or "1h"')
    number, scale, unit = _split(text)
    return number * _NANOSECONDS[unit or "s"] / (scale * NS)


def parse_size(text: str) -> int:
    """Bytes, rounded down; a bare number is bytes. Raises ValueError."""
    if not re.match(SIZE_PATTERN, text, re.ASCII):
        raise ValueError(f'{text!r} is no size: write bytes as a number, or such as "256MiB" or "1GB"')
    number, scale, unit = _split(text)
    return number * _BYTES[unit or "B"] // scale


def nanoseconds(seconds: float) -> int:
    """Return the integer that the policy computes with."""
    return round(seconds * NS)


def duration_text(ns: int) -> str:
    """`90s`, `2m`, `500ms`, `1.5us`: a text that reads back as the same duration, down to 1 ns."""
    if ns == 0:
        return "0s"
    for unit, size in _NANOSECONDS.items():
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns // 1_000}.{ns % 1_000:03d}us"


def size_text(size: int) -> str:
    """`256MiB`, `1GB`, `1000001B`: a text that reads back as the same size."""
    if size == 0:
        return "0B"
    for unit, factor in _BYTES.items():
        if size % factor == 0:
            return f"{size // factor}{unit}"
    raise AssertionError  # pragma: no cover - every integer is a multiple of 1 B


def figure_text(name: str, value: object) -> str:
    """`spare 1`, `silent 31s`, `rss 256MiB`, `arrivals 2.5`: a figure's name and value, its unit with the value."""
    if isinstance(value, int) and name.endswith("_ns"):
        short = f"{value / NS:.3g}s" if value % 1_000_000 else duration_text(value)
        return f"{name.removesuffix('_ns')} {short}"
    if isinstance(value, int) and name.endswith("_micro"):
        return f"{name.removesuffix('_micro')} {value / 1e6:.3g}"
    if isinstance(value, int) and name.endswith("_bytes"):
        return f"{name.removesuffix('_bytes')} {size_text(value)}"
    return f"{name} {value}"


def _split(text: str) -> tuple[int, int, str]:
    """Return the number's digits, the power of ten that they are to be divided by, and the unit; the text is right."""
    compact = text.strip()
    number = compact.rstrip("aBbdDGhiKkmMsTu")
    whole, _, part = number.strip().partition(".")
    return int(whole + part), 10 ** len(part), compact[len(number) :]
