"""Durations and sizes as people write them, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.policy.units import NS, duration_text, figure_text, nanoseconds, parse_duration, parse_size, size_text


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5", 1.5), (" 2 d ", 172_800)]
)
def test_durations_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("256MiB", 2**28), ("1GB", 10**9), ("1.5 KiB", 1536), ("77", 77), ("5B", 5), ("2kB", 2000)]
)
def test_sizes_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "s", "1 2s", "-1s", "nan", "1e9", "\u0661s", "1s\n2", "\u20031s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "MB", "1 2B", "-1B", "nan", "1e9", "\u0661B", "1B\n2", "\u20031B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@given(st.integers(0, 10**6 * NS))
def test_a_duration_reads_back(ns: int) -> None:
    assert nanoseconds(parse_duration(duration_text(ns))) == ns


def test_small_sizes_are_written_in_bytes() -> None:
    assert [size_text(size) for size in (0, 1, 1000, 1024)] == ["0B", "1B", "1KB", "1KiB"]


@given(st.integers(0, 2**62))
def test_a_size_reads_back(size: int) -> None:
    assert parse_size(size_text(size)) == size


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("spare", 1, "spare 1"),
        ("limit_ns", 30 * NS, "limit 30s"),
        ("limit_ns", 1_234 * NS, "limit 1234s"),
        ("limit_ns", 1_500_000, "limit 0.0015s"),
        ("silent_ns", 31_234_567_890, "silent 31.2s"),
        ("rss_bytes", 2**28, "rss 256MiB"),
        ("arrivals_micro", 2_500_000, "arrivals 2.5"),
        ("outcome_ns", "dump", "outcome_ns dump"),
    ],
)
def test_a_figure_has_its_unit_with_its_value(name: str, value: object, text: str) -> None:
    assert figure_text(name, value) == text
