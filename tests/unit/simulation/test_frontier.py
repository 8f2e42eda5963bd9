"""The frontier is who no other beats; the search goes where the budgets are, and to the bounds last."""

from __future__ import annotations

from prefork.simulation.frontier import (
    HEADROOMS,
    HOLDS,
    ROUNDS,
    Budgets,
    Point,
    Setting,
    frontier,
    next_round,
    suggested,
)

BASE = Setting(1.0, 30, 2, 40)


def point(slow: float, workers: float, flaps: float, *, setting: Setting = BASE, at_max: bool = False) -> Point:
    return Point(setting, slow, workers, flaps, at_max)


def told(points: list[Point]) -> list[tuple[float, float, float]]:
    return [each.figures for each in points]


def test_who_is_beaten_in_one_and_better_in_none_is_left_out() -> None:
    points = [point(0.01, 5, 3), point(0.01, 6, 3), point(0.02, 5, 2), point(0.03, 5, 3)]
    assert told(frontier(points)) == [(0.01, 5, 3), (0.02, 5, 2)]


def test_of_equal_ones_the_first_is_told() -> None:
    first, second = point(0.01, 5, 3), point(0.010_000_1, 5.000_1, 3, setting=BASE._replace(hold=60))
    assert frontier([first, second]) == [first]
    assert frontier([second, first]) == [second]


def test_fewest_workers_come_first() -> None:
    assert told(frontier([point(0, 9, 0), point(0.5, 1, 0), point(0.1, 4, 0)])) == [(0.5, 1, 0), (0.1, 4, 0), (0, 9, 0)]


def test_the_suggested_one_has_the_fewest_workers_within_both_budgets() -> None:
    cheap, churning, good, rich = point(0.2, 2, 0), point(0.01, 3, 90), point(0.01, 4, 9), point(0, 8, 0)
    assert suggested([rich, good, churning, cheap], Budgets(0.01, 10)) == (good, True)
    assert suggested([rich, good, churning, cheap], Budgets(0.01, 100)) == (churning, True)


def test_where_none_is_good_enough_the_nearest_is_told() -> None:
    near, far = point(0.03, 9, 0), point(0.01, 9, 50)
    assert suggested([far, near], Budgets(0.01, 10)) == (near, False)
    assert suggested([far, near], Budgets(0.01, 30)) == (far, False)


def test_a_budget_of_nothing_is_kept_by_nothing_alone() -> None:
    none, some = point(0, 9, 0), point(0.001, 5, 0)
    assert suggested([some, none], Budgets(0, 0)) == (none, True)
    assert suggested([some], Budgets(0, 0)) == (some, False)


def test_the_search_begins_with_a_grid_between_the_bounds_of_the_base() -> None:
    grid = next_round(0, [], BASE, Budgets(0.01, 10))
    assert len(grid) == len(set(grid)) == len(HEADROOMS) * len(HOLDS)
    assert {setting[2:] for setting in grid} == {(2, 40)}


def played(round_: list[Setting]) -> list[Point]:
    """A made-up load: headroom saves waits, both cost workers, a short hold flaps."""
    return [
        Point(each, 0.1 / (1 + each.headroom) ** 3, 5 + 2 * each.headroom + each.hold / 60, 600 / each.hold, False)
        for each in round_
    ]


def test_rounds_refine_towards_the_budgets_and_try_nothing_twice() -> None:
    budgets, points = Budgets(0.01, 20), list[Point]()
    best = []
    for number in range(ROUNDS):
        round_ = next_round(number, points, BASE, budgets)
        assert not {each.setting for each in points} & set(round_)
        points += played(round_)
        best.append(suggested(points, budgets)[0].workers)
    assert best == sorted(best, reverse=True)
    assert best[-1] < best[0]
    assert len(points) < 100


def test_a_search_leaves_its_grid_upwards() -> None:
    budgets = Budgets(0.0001, 20)
    points = played(next_round(0, [], BASE, budgets))
    assert max(each.headroom for each in next_round(1, points, BASE, budgets)) > max(HEADROOMS)


def last_round(best: Point) -> set[tuple[int, int]]:
    return {setting[2:] for setting in next_round(ROUNDS - 1, [best], BASE, Budgets(0.01, 10))}


def test_bounds_that_were_not_in_the_way_are_left_alone() -> None:
    assert last_round(point(0.001, 9, 1)) == set()


def test_a_floor_that_the_pool_never_left_is_lowered() -> None:
    assert last_round(point(0.001, 2, 0)) == {(1, 40), (0, 40)}


def test_a_floor_is_raised_where_waits_are_too_long() -> None:
    assert last_round(point(0.5, 10, 0)) == {(5, 40), (10, 40), (15, 40)}


def test_a_ceiling_that_was_reached_is_raised_where_waits_are_too_long() -> None:
    assert {high for _, high in last_round(point(0.5, 10, 0, at_max=True))} == {40, 60, 80, 120}
