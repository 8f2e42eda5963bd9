"""The counts of a look, and how they change with each decision."""

from __future__ import annotations

import pytest

from prefork.policy.census import Census, take_census
from prefork.policy.config import PoolConfig
from prefork.policy.limits import Limits
from prefork.policy.model import Owner, WorkerId, WorkerView
from tests.unit.policy.pools import booting, busy, serving

ONE = busy(1)
TWO = serving(2, sessions=3)
THREE = booting(3, replaces=WorkerId(2))
FOUR = busy(4)
FIVE = booting(5, replaces=WorkerId(4))
ALL = (ONE, TWO, THREE, FOUR, FIVE)


def census(cap: int) -> Census:
    return take_census(ALL, 7, Limits.of(PoolConfig(max_sessions=cap)))


def summary(counted: Census) -> tuple[list[WorkerId], list[WorkerId], int, int, int]:
    """Members, those being replaced, n, spare, live."""
    members, replacing = [one.id for one in counted.members], [one.id for one in counted.replacing]
    return members, replacing, counted.n, counted.spare, counted.live


def test_who_counts_as_what() -> None:
    assert summary(census(0)) == ([1, 3, 5], [2, 4], 3, 2, 12)
    assert summary(census(1)) == ([1, 3, 5], [2, 4], 3, 2, 12)
    assert summary(census(4)) == ([1, 3, 5], [2, 4], 3, 2, 12)
    assert census(4).places == 11


def test_without_a_member_whom_it_was_to_replace_is_no_longer_being_replaced() -> None:
    assert summary(census(0).after({WorkerId(3)}, {})) == ([1, 5], [4], 2, 1, 12)
    assert summary(census(0).after({WorkerId(1)}, {})) == ([3, 5], [2, 4], 2, 2, 12)
    assert census(4).after({WorkerId(3)}, {}).places == 7
    assert census(0).after((), {}) == census(0)


@pytest.mark.parametrize(("worker", "places"), [(ONE, 8), (THREE, 7)])
def test_with_one_member_less_there_are_fewer_places(worker: object, places: int) -> None:
    counted = census(4).less(worker)  # type: ignore[arg-type]
    assert (counted.n, counted.places) == (2, places)


def test_with_a_successor_there_is_a_spare_more_and_the_places_of_the_old_one_less() -> None:
    assert summary(census(4).replaced(ONE)) == ([1, 3, 5], [2, 4, 1], 3, 3, 13)
    assert census(4).replaced(ONE).places == 12
    assert (census(4).replaced(ONE).open, census(4).replaced(ONE).booting) == (3, census(4).booting + 1)
    assert summary(census(0).replaced(ONE)) == ([1, 3, 5], [2, 4, 1], 3, 3, 13)


@pytest.mark.parametrize("cap", [0, 1, 4])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TWO, TWO._replace(paused_by=frozenset({Owner.POLICY}))),
        (TWO._replace(paused_by=frozenset({Owner.POLICY})), TWO),
        (FOUR, FOUR._replace(spent=True)),
    ],
)
def test_with_a_member_that_has_changed_all_is_as_if_it_were_counted_so(
    old: WorkerView, new: WorkerView, cap: int
) -> None:
    limits = Limits.of(PoolConfig(max_sessions=cap))
    changed, counted = take_census([ONE, old], 0, limits).changed(old, new), take_census([ONE, new], 0, limits)
    assert changed._replace(members=counted.members) == counted


@pytest.mark.parametrize(
    ("worker", "cap", "places"),
    [
        (serving(1), 0, 1),
        (serving(1), 1, 1),
        (serving(1), 3, 3),
        (busy(1), 0, 0),
        (busy(1), 1, 0),
        (busy(1), 3, 2),
        (serving(1, sessions=9), 3, 0),
        (booting(1), 0, 1),
        (serving(1, spent=True), 0, 0),
        (serving(1, spent=True), 3, 0),
        (serving(1, paused_by=frozenset({Owner.APP})), 0, 0),
        (serving(1, paused_by=frozenset({Owner.APP})), 3, 0),
    ],
)
def test_free_places(worker: object, cap: int, places: int) -> None:
    counted = take_census([worker], 0, Limits.of(PoolConfig(max_sessions=cap)))  # type: ignore[list-item]
    assert counted.places == places
