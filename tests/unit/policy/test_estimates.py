"""What demand sizing learns: each estimate by its formula, and when a look is a sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from prefork.policy.config import DemandSizing, PoolConfig
from prefork.policy.estimates import Estimates, Slot, is_due, largest_need, learn, remember, usual_demand
from prefork.policy.limits import Limits
from tests.unit.policy.pools import NOW, pool, s

if TYPE_CHECKING:
    from prefork.policy.model import PoolView

SEEN = Estimates(sampled_at=NOW, arrived=10, completed=7, held_ns=s(5), busy_ns=s(2))
HOLD = Limits.of(PoolConfig(sizing=DemandSizing(hold=10, saturation=0.25)))


def totals(**more: Any) -> PoolView:
    return pool(**({"arrivals": 10, "completions": 7, "held_ns": s(5), "busy_ns": s(2)} | more))


@pytest.mark.parametrize(
    ("view", "later", "due"),
    [
        pytest.param(totals(), 0.5, False, id="nothing moved"),
        pytest.param(totals(), 1, True, id="a second later"),
        pytest.param(totals(arrivals=11), 0, True, id="somebody came"),
        pytest.param(totals(queue=1), 0, True, id="somebody comes and waits"),
        pytest.param(totals(arrivals=8, queue=2), 0.05, True, id="somebody waits for as long as is good"),
        pytest.param(totals(arrivals=8, queue=2), 0.049, False, id="not for so long"),
        pytest.param(totals(queue=-1), 0, False, id="an impossible queue is none"),
        pytest.param(totals(completions=8), 0, True, id="somebody went"),
        pytest.param(totals(held_ns=s(9), busy_ns=s(9)), 0.9, False, id="that sessions last is nothing new"),
    ],
)
def test_a_look_is_a_sample_when_somebody_came_or_went_and_once_a_second(
    view: PoolView, later: float, *, due: bool
) -> None:
    assert is_due(SEEN, view, HOLD, NOW + s(later)) is due
    assert is_due(Estimates(), view, HOLD, NOW)


def test_a_pool_that_already_needs_its_max_learns_nothing_from_a_queue() -> None:
    full = SEEN._replace(needs=((NOW, 20),))
    view = totals(arrivals=8, queue=2)
    assert not is_due(full, view, HOLD, NOW + s(0.99))
    assert is_due(full, view, HOLD, NOW + s(1))
    assert is_due(SEEN._replace(needs=((NOW, 19),)), view, HOLD, NOW + s(0.05))


def test_the_first_sample_only_sees_where_the_totals_stand() -> None:
    first = learn(Estimates(), totals(queue=2), NOW)
    assert first == SEEN._replace(arrived=12)


def test_arrivals_fade_over_a_second_and_no_time_changes_nothing() -> None:
    at_once = learn(SEEN, totals(arrivals=14), NOW)
    assert at_once.rate == 4_000_000
    assert learn(at_once, totals(arrivals=14), NOW) == at_once
    later = learn(at_once, totals(arrivals=15), NOW + s(1))
    assert later.rate == pytest.approx(4e6 * math.exp(-1) + 1e6, abs=2)


def test_who_is_accepted_from_the_queue_has_arrived_before() -> None:
    waiting = learn(SEEN, totals(queue=3), NOW)
    assert waiting.rate == 3_000_000
    assert learn(waiting, totals(arrivals=13), NOW).rate == 3_000_000


def test_session_time_and_completions_halve_in_half_a_minute() -> None:
    started = SEEN._replace(session_ns=s(8), ended=4_000_000)
    halved = learn(started, totals(), NOW + s(30))
    assert halved.session_ns == pytest.approx(s(4), rel=1e-6)
    assert halved.ended == pytest.approx(2_000_000, abs=2)


def test_the_mean_session_time_is_session_time_over_completions() -> None:
    assert Estimates().tau_ns == s(0.2)
    learnt = learn(SEEN, totals(completions=11, held_ns=s(7)), NOW)
    assert learnt.tau_ns == pytest.approx((2 + 0.1) / (4 + 0.5) * 1e9, abs=1)
    assert Estimates(ended=10**30).tau_ns == 1


def test_session_time_of_a_long_gap_was_spent_evenly_over_it() -> None:
    learnt = learn(SEEN, totals(held_ns=s(5 + 3600)), NOW + s(3600))
    assert learnt.session_ns == pytest.approx(s(30 / math.log(2)), rel=1e-6)
    minute, x = learn(SEEN, totals(held_ns=s(5 + 60)), NOW + s(60)), 2 * math.log(2)
    assert minute.session_ns == pytest.approx(s(60) * (1 - math.exp(-x)) / x, rel=1e-6)
    second, x = learn(SEEN, totals(held_ns=s(6)), NOW + s(1)), math.log(2) / 30
    assert second.session_ns == pytest.approx(s(1) * (1 - math.exp(-x)) / x, rel=2e-4)
    short = learn(SEEN, totals(held_ns=s(6)), NOW + 1000)
    assert short.session_ns == pytest.approx(s(1), rel=1e-6)


def test_busy_loops_are_a_mean_over_a_second() -> None:
    learnt = learn(SEEN, totals(busy_ns=s(2 + 3)), NOW + s(1))
    assert learnt.busy == pytest.approx(3e6 * (1 - math.exp(-1)), abs=2)
    long = learn(SEEN, totals(busy_ns=s(2 + 150)), NOW + s(50))
    assert long.busy == pytest.approx(3e6, abs=2)


def test_busy_time_of_no_time_is_left_for_the_next_sample() -> None:
    at_once = learn(SEEN, totals(arrivals=11, busy_ns=s(3)), NOW)
    assert (at_once.busy, at_once.busy_ns) == (0, s(2))


def test_a_sample_remembers_where_all_totals_stand() -> None:
    learnt = learn(SEEN, totals(arrivals=11, completions=9, held_ns=s(8), busy_ns=s(3)), NOW + s(1))
    stands = learnt.sampled_at, learnt.arrived, learnt.completed, learnt.held_ns, learnt.busy_ns
    assert stands == (NOW + s(1), 11, 9, s(8), s(3))


def test_totals_that_fall_give_no_negative_rate() -> None:
    lower = learn(SEEN, totals(arrivals=3, completions=2, held_ns=0, busy_ns=0), NOW + s(1))
    assert lower == SEEN._replace(sampled_at=NOW + s(1))


def put(*needs: tuple[float, int]) -> Estimates:
    """Remember needs at seconds after NOW."""
    learnt = Estimates()
    for at, need in needs:
        learnt = remember(learnt, learnt._replace(sampled_at=NOW + s(at)), need, 0, HOLD)
    return learnt


@pytest.mark.parametrize(
    ("needs", "largest", "kept"),
    [
        pytest.param([(0, 3), (1, 5)], 5, 1, id="a larger one makes the smaller forgotten"),
        pytest.param([(0, 5), (1, 3)], 5, 2, id="a smaller one is kept for later"),
        pytest.param([(0, 5), (9.9, 3)], 5, 2, id="until hold is over"),
        pytest.param([(0, 5), (10, 3)], 3, 1, id="then the next counts"),
        pytest.param([(0, 5), (1, 5)], 5, 1, id="an equal one is the later one"),
    ],
)
def test_past_needs_are_kept_for_hold(needs: list[tuple[float, int]], largest: int, kept: int) -> None:
    learnt = put(*needs)
    assert largest_need(learnt) == largest
    assert len(learnt.needs) == kept
    assert largest_need(Estimates()) == 0


def test_or_for_a_mean_session_if_that_is_longer() -> None:
    long = Estimates(sampled_at=NOW, session_ns=s(10), needs=((NOW, 7),))  # 20 s
    assert largest_need(remember(long, long._replace(sampled_at=NOW + s(19)), 1, 0, HOLD)) == 7
    assert largest_need(remember(long, long._replace(sampled_at=NOW + s(21)), 1, 0, HOLD)) == 1


def test_demand_weighs_for_as_long_as_it_lasted_and_a_second_for_each_arrival() -> None:
    before = Estimates(sampled_at=NOW, demand=2, slots=((NOW, ()),))
    after = remember(before, before._replace(sampled_at=NOW + s(0.5), arrived=3), 0, 6, HOLD)
    assert after.slots == ((NOW, ((2, s(0.5)), (6, s(3)))),)
    assert after.demand == 6
    more = remember(after, after._replace(sampled_at=NOW + s(0.75)), 0, 6, HOLD)
    assert more.slots == ((NOW, ((2, s(0.5)), (6, s(3.25)))),)


def test_the_first_sample_weighs_nothing() -> None:
    assert remember(Estimates(), SEEN, 0, 6, HOLD).slots == ((NOW, ()),)


def test_a_slot_is_a_tenth_of_hold_and_forgotten_after_it() -> None:
    old: tuple[Slot, ...] = tuple((NOW + s(at), ((at, s(1)),)) for at in range(10))
    full = Estimates(sampled_at=NOW + s(9), slots=old)
    same = remember(full, full._replace(sampled_at=NOW + s(9.9)), 0, 0, HOLD)
    assert len(same.slots) == 10
    next_ = remember(full, full._replace(sampled_at=NOW + s(10)), 0, 0, HOLD)
    assert [at for at, _ in next_.slots] == [NOW + s(at) for at in range(1, 11)]
    assert next_.slots[-1][1] == ((0, s(1)),)


def test_the_slots_before_the_last_stay_while_it_gains_weight() -> None:
    slots: tuple[Slot, ...] = ((NOW - s(5), ((2, 7),)), (NOW - s(2), ((3, 8),)), (NOW - s(0.5), ((4, 9),)))
    before = SEEN._replace(slots=slots, demand=4)
    after = remember(before, before._replace(sampled_at=NOW + s(0.1)), 4, 4, HOLD)
    assert after.slots == (*slots[:2], (NOW - s(0.5), ((4, 9 + s(0.1)),)))


def test_a_long_gap_weighs_no_more_than_hold() -> None:
    before = Estimates(sampled_at=NOW, demand=2)
    assert remember(before, before._replace(sampled_at=NOW + s(100)), 0, 0, HOLD).slots[-1][1] == ((2, s(10)),)


@pytest.mark.parametrize(
    ("saturation_ppm", "usual"),
    [(0, 9), (99_999, 9), (100_000, 4), (249_999, 4), (250_000, 4), (500_000, 1), (10**6, 1)],
)
def test_usual_demand_leaves_a_share_of_the_weight_out(saturation_ppm: int, usual: int) -> None:
    limits = HOLD._replace(saturation_ppm=saturation_ppm)
    slots: tuple[Slot, ...] = ((NOW, ((1, 30), (9, 10))), (NOW + 1, ((1, 20), (4, 40))))
    assert usual_demand(Estimates(slots=slots), limits) == usual
    assert usual_demand(Estimates(), limits) == 0


def test_demand_of_a_slot_is_sorted_whatever_came_first() -> None:
    before = Estimates(sampled_at=NOW, demand=2, slots=((NOW, ((1, 3), (4, 5))),))
    assert remember(before, before._replace(sampled_at=NOW + s(0.5)), 0, 6, HOLD).slots[-1][1] == (
        (1, 3),
        (2, s(0.5)),
        (4, 5),
    )


def test_a_slot_is_the_same_while_nothing_weighs() -> None:
    before = Estimates(sampled_at=NOW, demand=2, slots=((NOW, ((1, 3),)),))
    assert remember(before, before, 0, 6, HOLD).slots == before.slots
