"""Lengths of sessions have the mean that is asked for, and the tail of their law."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from prefork.policy.units import NS
from prefork.simulation import Constant, Exponential, Length, Lognormal, LongLived, Pareto

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 100_000


def drawn(length: Length) -> list[int]:
    draw = length.drawing(Random(1))
    return [draw() for _ in range(COUNT)]


@pytest.mark.parametrize(
    ("length", "mean", "within"),
    [
        (Constant("300ms"), 0.3, 0),
        (Exponential("2s"), 2, 0.02),
        (Pareto("200ms", shape=2.5), 0.2, 0.05),
        (Lognormal("200ms", sigma=1), 0.2, 0.03),
        (LongLived(share=0.1, long=Constant("10s"), short=Constant("1s")), 1.9, 0.02),
    ],
)
def test_the_mean_is_what_is_asked_for(length: Length, mean: float, within: float) -> None:
    assert sum(drawn(length)) / COUNT / NS == pytest.approx(mean, rel=within or 1e-9)


@pytest.mark.parametrize(
    ("length", "limit", "share"),
    [
        (Exponential("1s"), 3.0, 0.0498),
        (Pareto("1s", shape=1.5), 10.0, (1 / 30) ** 1.5),
        (Lognormal("1s", sigma=1), 5.0, 0.0174),
        (LongLived(0.2, Constant("1h"), Constant("1s")), 60.0, 0.2),
    ],
)
def test_the_tail_is_that_of_the_law(length: Length, limit: float, share: float) -> None:
    longer = sum(each > limit * NS for each in drawn(length))
    assert longer / COUNT == pytest.approx(share, rel=0.1)


def test_no_length_is_negative_and_all_are_integers() -> None:
    for length in (Exponential(1e-6), Pareto(1e-6), Lognormal(1e-6, 3)):
        assert all(type(each) is int and each >= 0 for each in drawn(length))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Exponential("-1s"), "mean: '-1s' is no duration"),
        (lambda: Exponential(-1), r"mean \(-1\) is no number from 0 on"),
        (lambda: Pareto("1s", shape=1), r"shape \(1\) gives Pareto no mean"),
        (lambda: Lognormal("1s", sigma=-1), r"sigma \(-1\) is no number from 0 on"),
        (lambda: LongLived(share=1.5), r"share \(1.5\) is no share"),
    ],
)
def test_a_length_that_cannot_be_is_refused_in_one_line(make: Callable[[], Length], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make().drawing(Random(1))
