"""Fixed point against floats."""

from __future__ import annotations

import math

import pytest

from prefork.policy.fixed import ONE, ceil_div, decay, root


@pytest.mark.parametrize("scale", [1, 7, 50_000_000, 10**9, 43_280_851_227, 2**70])
@pytest.mark.parametrize("share", [0, 1e-9, 0.001, 0.3, 0.999, 1, 1.5, 7, 20, 39.9])
def test_a_decay_is_the_exponential(share: float, scale: int) -> None:
    elapsed = int(share * scale)
    assert decay(elapsed, scale) / ONE == pytest.approx(math.exp(-elapsed / scale), abs=3e-9)


def test_a_decay_of_no_time_is_one_and_of_a_long_time_nothing() -> None:
    assert decay(0, 5) == ONE
    assert decay(200, 5) == 0
    assert decay(10**30, 1) == 0
    assert decay(199, 5) == 0  # less than one unit


@pytest.mark.parametrize(
    ("micro", "expected"), [(0, 0), (-5, 0), (1_000_000, 1_000_000), (2_250_000, 1_500_000), (1, 1000)]
)
def test_a_root_is_in_the_same_unit(micro: int, expected: int) -> None:
    assert root(micro) == expected


@pytest.mark.parametrize(("number", "by", "expected"), [(0, 3, 0), (1, 3, 1), (3, 3, 1), (4, 3, 2), (-4, 3, -1)])
def test_a_division_is_rounded_up(number: int, by: int, expected: int) -> None:
    assert ceil_div(number, by) == expected
