"""What a run is measured by tells what was put in."""

from __future__ import annotations

from random import Random

import pytest

from prefork.simulation.measures import Histogram, Level, Steps

rng = Random(1)
WAITS = [int(rng.expovariate(1) * 10 ** rng.randint(0, 10)) for _ in range(5000)]


def filled() -> Histogram:
    histogram = Histogram()
    for wait in WAITS:
        histogram.add(wait)
    return histogram


@pytest.mark.parametrize("portion", [0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_quantiles_are_right_to_a_hundredth(portion: float) -> None:
    exact = sorted(WAITS)[max(0, round(portion * len(WAITS)) - 1)]
    assert exact <= filled().quantile(portion) <= exact * 1.008


def test_shares_over_a_limit_are_right_to_a_hundredth_of_it() -> None:
    histogram = filled()
    for limit in (0, 100, 10_000, 10**7, 10**9):
        exact = sum(wait > limit for wait in WAITS)
        assert sum(wait > limit * 1.008 for wait in WAITS) <= histogram.over(limit) <= exact


def test_the_sum_is_exact_and_bars_hold_everybody() -> None:
    histogram = filled()
    assert histogram.total == sum(WAITS)
    assert sum(times for _, times in histogram.bars()) == histogram.counted == len(WAITS)
    assert [end for end, _ in histogram.bars()] == sorted({end for end, _ in histogram.bars()})


def test_every_number_lies_in_its_bar() -> None:
    for number in (0, 1, 127, 128, 255, 256, 257, 511, 512, 10**9, 2**40 - 1, 2**40):
        histogram = Histogram()
        histogram.add(number)
        histogram.longest = 2**60
        assert number <= histogram.quantile(1) <= number * 1.008


def test_nobody_waited_where_nobody_came() -> None:
    assert Histogram().quantile(0.99) == 0


def test_more_of_a_wait_is_another_histogram() -> None:
    histogram = filled()
    assert histogram.with_more(30, 5).counted == len(WAITS) + 5
    assert histogram.counted == len(WAITS)


def test_a_level_knows_its_integral() -> None:
    level = Level(100)
    level.change(3, 110)
    level.change(-1, 130)
    assert (level.value, level.area_at(140)) == (2, 3 * 20 + 2 * 10)
    assert (level.most_since_asked(), level.most_since_asked()) == (3, 2)


def test_steps_keep_changes_alone_and_of_one_instant_the_last() -> None:
    steps = Steps()
    for at, value in [(0, 2), (5, 2), (7, 3), (9, 4), (9, 3), (12, 1)]:
        steps.put(at, value)
    assert list(steps) == [(0, 2), (7, 3), (12, 1)]
    assert [steps.at(ns) for ns in (0, 6, 7, 11, 12, 99)] == [2, 2, 3, 3, 1, 1]
    assert (steps.most, Steps().most, Steps().at(5)) == (3, 0, 0)
