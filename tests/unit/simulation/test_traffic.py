"""Arrivals: as many as said, when said, never falling, the same for the same seed, one at a time."""

from __future__ import annotations

import math
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import pytest

from prefork.policy.units import NS
from prefork.simulation import (
    ClockBursts,
    Constant,
    Flash,
    OnOff,
    Poisson,
    Reconnect,
    Replay,
    Sine,
    Square,
    Step,
    Trace,
    Traffic,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS: dict[str, Traffic] = {
    "poisson": Poisson(50),
    "step": Step(10, 90, at="5m"),
    "square": Square(0, 100),
    "sine": Sine(50),
    "flash": Flash(10, 400, at="2m"),
    "on-off": OnOff(150),
    "clock": ClockBursts(300, every="6s"),
    "reconnect": Reconnect(5000, at="5m"),
    "trace": Trace([1000, 0, 4000, 2500], "2m"),
    "together": Poisson(20) + ClockBursts(30, every="1s"),
}


@pytest.mark.parametrize("traffic", KINDS.values(), ids=KINDS)
class TestEveryKind:
    def test_arrivals_never_fall_and_end_with_the_traffic(self, traffic: Traffic) -> None:
        instants = [at for at, _ in traffic.sessions(1)]
        assert len(instants) > 5000
        assert all(before <= after for before, after in pairwise(instants))
        assert instants[0] >= 0
        assert instants[-1] < traffic.lasts_ns

    def test_one_seed_is_one_traffic(self, traffic: Traffic) -> None:
        assert list(islice(traffic.sessions(7), 2000)) == list(islice(traffic.sessions(7), 2000))

    def test_another_seed_is_another(self, traffic: Traffic) -> None:
        assert list(traffic.sessions(7)) != list(traffic.sessions(8))

    def test_everything_is_an_integer(self, traffic: Traffic) -> None:
        assert all(type(at) is type(length) is int for at, length in islice(traffic.sessions(1), 100))


def count(traffic: Traffic, begin: float, end: float) -> int:
    """Arrivals in [begin, end), in seconds."""
    return sum(begin * NS <= at < end * NS for at, _ in traffic.sessions(1))


def is_poisson(counted: int, mean: float) -> bool:
    """Within four standard deviations."""
    return abs(counted - mean) <= 4 * math.sqrt(mean)


def test_other_lengths_leave_the_instants_as_they_are() -> None:
    plain, other = Poisson(50), Poisson(50, length=Constant("3s"))
    assert [at for at, _ in plain.sessions(1)] == [at for at, _ in other.sessions(1)]


def test_poisson_arrivals_have_the_rate_and_the_variance_of_their_law() -> None:
    counts = [0] * 600
    for at, _ in Poisson(50).sessions(1):
        counts[at // NS] += 1
    mean = sum(counts) / 600
    assert mean == pytest.approx(50, rel=0.03)
    assert sum((each - mean) ** 2 for each in counts) / 599 == pytest.approx(50, rel=0.2)


@pytest.mark.parametrize(
    ("traffic", "begin", "end", "mean"),
    [
        (Step(10, 90, at="5m"), 0, 300, 3000),
        (Step(10, 90, at="5m"), 300, 600, 27_000),
        (Square(5, 100), 0, 60, 300),
        (Square(5, 100), 60, 120, 6000),
        (Sine(50, swing=1), 0, 300, 50 * (300 + 600 / math.pi)),
        (Sine(50, swing=1), 300, 600, 50 * (300 - 600 / math.pi)),
        (Flash(10, 400, at="2m", rise="10s"), 0, 120, 1200),
        (Flash(10, 400, at="2m", rise="10s"), 120, 130, 10 * (10 + 390 / 2)),
        (Flash(10, 400, at="2m", rise="10s"), 160, 190, 30 * 10 + 195 / 2 * 30 / math.log(2)),
        (Trace([1000, 0, 4000], "2m"), 240, 300, 2000),
    ],
)
def test_arrivals_follow_the_rate(traffic: Traffic, begin: float, end: float, mean: float) -> None:
    assert is_poisson(count(traffic, begin, end), mean)


def test_an_interrupted_process_is_off_most_of_the_time_and_then_at_its_rate() -> None:
    traffic = OnOff(100, on="20s", off="40s", lasts="10h")
    seconds = [0] * 36_000
    for at, _ in traffic.sessions(1):
        seconds[at // NS] += 1
    assert sum(not each for each in seconds) / 36_000 == pytest.approx(2 / 3, abs=0.05)
    assert sum(60 <= each <= 140 for each in seconds) / sum(each > 0 for each in seconds) > 0.9


def test_the_clock_strikes_on_the_minute() -> None:
    traffic = ClockBursts(50, every="1m", within="200ms", lasts="3m")
    assert [count(traffic, at, at + 0.2) for at in (60, 120)] == [50, 50]
    assert count(traffic, 0, 180) == 100


def test_who_is_cut_off_stays_until_then_and_comes_again() -> None:
    traffic = Reconnect(100, at="1m", within="2s", length=Constant("5m"))
    sessions = list(traffic.sessions(1))
    first, again = sessions[:100], sessions[100:]
    assert all(at + length == 60 * NS for at, length in first)
    assert all(60 * NS <= at < 62 * NS and length == 300 * NS for at, length in again)
    assert len(again) == 100


def test_a_trace_has_exactly_its_counts_however_they_are_spread() -> None:
    counts = [7, 0, 250, 1]
    for spread in ("poisson", "evenly"):
        traffic = Trace(counts, "10s", spread)
        assert [count(traffic, at, at + 10) for at in (0, 10, 20, 30)] == counts


def test_even_arrivals_have_equal_gaps() -> None:
    instants = [at for at, _ in Trace([5], "10s", "evenly").sessions(1)]
    assert instants == [at * 2 * NS for at in range(5)]


def test_a_scaled_trace_keeps_its_total() -> None:
    assert is_poisson(count(Trace([10] * 1000, "1s", scale=0.25), 0, 1000), 2500)


def test_a_trace_lasts_as_long_as_its_bins_or_less() -> None:
    assert Trace([5] * 10, "1m").lasts_ns == 600 * NS
    assert Trace([5] * 10, "1m", lasts="90s").lasts_ns == 90 * NS
    assert all(at < 90 * NS for at, _ in Trace([5] * 10, "1m", lasts="90s").sessions(1))


def test_two_traffics_added_both_come() -> None:
    both = Poisson(10, lasts="1m") + ClockBursts(60, every="90s", lasts="2m")
    assert both.lasts_ns == 120 * NS
    assert count(both, 90, 120) == 60
    assert is_poisson(count(both, 0, 60), 600)


def test_two_of_one_kind_are_independent() -> None:
    instants = [at for at, _ in (Poisson(10) + Poisson(10)).sessions(1)]
    assert len(set(instants)) == len(instants)


def test_a_list_is_replayed_as_it_is() -> None:
    assert list(Replay([(0, 5), (3, 0), (3, 9)]).sessions(1)) == [(0, 5), (3, 0), (3, 9)]


def test_nobody_comes_at_a_rate_of_0() -> None:
    for traffic in (Poisson(0), Square(0, 0), OnOff(0), Flash(0, 0), Sine(0), ClockBursts(0), Reconnect(0)):
        assert list(traffic.sessions(1)) == []


def test_a_flash_over_nothing_ends() -> None:
    assert count(Flash(0, 100, lasts="20m"), 900, 1200) == 0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Poisson(-3), r"rate \(-3\) is no number from 0 on"),
        (lambda: Poisson(math.nan), r"rate \(nan\) is no number from 0 on"),
        (lambda: Poisson(1, lasts="0s"), r"lasts \(0s\) is too short"),
        (lambda: Poisson(1, lasts="soon"), r"lasts: 'soon' is no duration"),
        (lambda: Square(1, 2, period=0), r"period \(0\) is too short"),
        (lambda: Sine(1, swing=2), r"swing \(2\) would make rates negative"),
        (lambda: Flash(9, 3), r"peak \(3\) is under base \(9\)"),
        (lambda: ClockBursts(-1), r"clients \(-1\) is no number from 0 on"),
        (lambda: ClockBursts(1, every="1s", within="1s"), "the bursts would overlap"),
        (lambda: Trace([]), "the trace has no counts"),
        (lambda: Trace([1, -1]), r"counts\[1\] \(-1\) is no number from 0 on"),
        (lambda: Trace([1], scale=-1), r"scale \(-1\) is no number from 0 on"),
        (lambda: Replay([(5, 1), (4, 1)]), r"session \(4, 1\): instants never fall"),
        (lambda: Replay([(5, -1)]), r"session \(5, -1\): .* no length is negative"),
    ],
)
def test_traffic_that_cannot_be_is_refused_in_one_line(make: Callable[[], Traffic], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        list(make().sessions(1))
    assert "\n" not in str(refused.value)
