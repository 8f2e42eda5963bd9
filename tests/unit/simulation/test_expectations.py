"""An expectation is a sentence about a run; the verdict tells the figure that decided."""

from __future__ import annotations

import pytest

from prefork.simulation import Expectation, Poisson, Sine, Step, judge, simulate
from prefork.simulation.figures import FIGURES, Unit, value_text
from tests.unit.simulation.loads import fixed, listed

RUN = simulate(fixed(1), listed((0, 100), (0, 100), (0, 100), (0, 100)))
"""Waits of 0, 100, 200 and 300 ms."""


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("p99_wait < 400ms", "p99_wait < 400ms: 300ms"),
        ("  p99_wait<0.4 ", "p99_wait<0.4: 300ms"),
        ("p50_wait  <=  102ms", "p50_wait <= 102ms: 100ms"),
        ("longest_wait >= 300ms", "longest_wait >= 300ms: 300ms"),
        ("share_over_50ms == 75%", "share_over_50ms == 75%: 75%"),
        ("share_over_50ms <= 0.75", "share_over_50ms <= 0.75: 75%"),
        ("share_over_250ms < 30%", "share_over_250ms < 30%: 25%"),
        ("mean_workers == 1", "mean_workers == 1: 1"),
        ("longest_queue == 3", "longest_queue == 3: 3"),
        ("refused == 0", "refused == 0: 0"),
        ("arrivals > 3.5", "arrivals > 3.5: 4"),
    ],
)
def test_what_is_so_holds_and_is_told_with_its_figure(sentence: str, told: str) -> None:
    verdict = judge(RUN, sentence)
    assert verdict
    assert verdict.told == told


@pytest.mark.parametrize("sentence", ["p99_wait < 300ms", "arrivals > 4", "mean_workers == 2", "p50_wait >= 1s"])
def test_what_is_not_so_does_not_hold(sentence: str) -> None:
    assert not judge(RUN, sentence)


def test_of_several_runs_the_worst_decides() -> None:
    measured = [3.0, 9.0, 1.0]
    below, above, exact = (Expectation.of(f"flaps {said}").verdict(measured) for said in ("< 9", "> 1", "== 4"))
    assert [(each.holds, each.measured, each.worst) for each in (below, above, exact)] == [
        (False, 9, 1),
        (False, 1, 2),
        (False, 9, 1),
    ]
    assert Expectation.of("flaps <= 9").verdict(measured)


def test_settling_is_measured_from_the_last_change_of_the_load() -> None:
    run = simulate(fixed(4), Poisson(5, lasts="1m"))
    assert judge(run, "settles_within <= 1s").told == "settles_within <= 1s: 0ms"


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("settles_within <= 60s", "settles_within: this traffic never comes to rest"),
        ("p99_wait", "'p99_wait' is no expectation: write NAME SIGN VALUE, such as 'p99_wait < 50ms'"),
        ("", "'' is no expectation"),
        ("p99wait < 50ms", r"there is no figure 'p99wait'; did you mean p99_wait\? known are p50_wait, p90_wait"),
        ("xyzzy < 5", "there is no figure 'xyzzy': known are .*, settles_within"),
        ("share_over_fast < 5%", "share_over_fast: 'fast' is no duration"),
        ("p99_wait =< 50ms", "'p99_wait =< 50ms': =< is no sign: it is one of <, <=, >, >=, =="),
        ("p99_wait < 5%", "'5%' is no duration: write seconds as a number"),
        ("p99_wait < 5 parsecs", "'5 parsecs' is no duration"),
        ("p99_wait < -5ms", "'-5ms' is no duration"),
        ("flaps < 5ms", "'5ms' is not a plain number, as of flaps: write such as 12.5"),
        ("flaps < 1%", "'1%' is not a plain number"),
        ("share_over_50ms < 5ms", "'5ms' is not a share: write such as 1% or 0.01"),
        ("share_over_50ms < 5", "'5' is not a share: write such as 1%"),
        ("mean_workers < nan", "'nan' is not a plain number"),
    ],
)
def test_a_sentence_that_says_nothing_is_refused_in_one_line(sentence: str, why: str) -> None:
    run = simulate(fixed(1), Sine(1, lasts="1s"))
    with pytest.raises(ValueError, match=why) as refused:
        judge(run, sentence)
    assert "\n" not in str(refused.value)


def test_a_run_that_ends_before_it_can_tell_says_so() -> None:
    with pytest.raises(ValueError, match="the run ends before: lengthen"):
        judge(simulate(fixed(1), Step(1, 2, at="1s", lasts="10s")), "settles_within <= 60s")


def test_every_figure_can_be_told_of_a_run() -> None:
    run = simulate(fixed(2), Poisson(5, lasts="10s"))
    assert all(value_text(figure.of(run), figure.unit) for figure in FIGURES)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, Unit.SECONDS, "0ms"),
        (0.01234, Unit.SECONDS, "12.3ms"),
        (1.2345, Unit.SECONDS, "1.234s"),
        (7200, Unit.SECONDS, "2h"),
        (0.00314, Unit.SHARE, "0.314%"),
        (12.345, Unit.NUMBER, "12.3"),
        (12345.6, Unit.NUMBER, "12,346"),
        (7, Unit.NUMBER, "7"),
    ],
)
def test_values_are_told_in_three_digits(value: float, unit: Unit, text: str) -> None:
    assert value_text(value, unit) == text
