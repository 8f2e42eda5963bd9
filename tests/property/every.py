"""The invariants that one look can show: of one plan, of two, of what decide() says to a world a little other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.property import instants
from tests.property import invariants as inv

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.property.world import Seen

OF_A_PLAN: tuple[Callable[[Seen], None], ...] = (
    inv.spawns_stay_within_max,
    inv.nobody_is_ordered_below_min,
    inv.the_size_is_what_the_rule_asks_for,
    inv.decisions_name_known_workers_once,
    inv.nothing_is_born_without_a_mold,
    inv.a_surplus_ends_only_idle_workers,
    inv.victims_are_idle_first_then_the_youngest,
    inv.the_pool_does_not_grow_and_shrink_in_one_plan,
    inv.replacements_stay_within_their_budget,
    inv.crashes_are_paid_for,
    inv.kills_from_outside_are_paid_for,
    inv.who_is_missing_for_outside_kills_comes_within_a_second,
    inv.the_policy_never_pauses_everybody_while_somebody_waits,
    inv.figures_give_the_same_verdict,
    inv.memory_is_bounded,
    inv.memory_survives_json,
    instants.deadlines_hold_to_the_nanosecond,
    instants.a_mold_imports_within_its_own_configs_time,
    instants.a_deadline_is_only_moved_earlier,
    inv.nobody_is_told_twice,
)
OF_TWO_PLANS: tuple[Callable[[Seen], None], ...] = (
    inv.two_calls_are_equal,
    inv.a_plan_performed_leaves_nothing_to_say,
    instants.nothing_is_due_before_the_next_check,
)
OF_MANY_PLANS: tuple[Callable[[Seen], None], ...] = (
    instants.a_later_clock_gives_the_same_plan,
    inv.another_order_of_workers_gives_the_same_plan,
    inv.the_next_plan_undoes_nothing,
    instants.a_clock_that_goes_back_is_one_that_stands,
    instants.a_jump_forward_ends_nobody_for_silence,
)
OF_WHAT_IS_LEFT = frozenset(
    {
        inv.memory_survives_json,
        inv.a_plan_performed_leaves_nothing_to_say,
        instants.nothing_is_due_before_the_next_check,
        instants.a_clock_that_goes_back_is_one_that_stands,
        instants.a_jump_forward_ends_nobody_for_silence,
    }
)
"""Those that judge the pool and the memory that a look leaves, whatever it had been before."""
OF_A_SEARCH = (
    *OF_A_PLAN,
    inv.a_plan_performed_leaves_nothing_to_say,
    inv.the_next_plan_undoes_nothing,
    instants.nothing_is_due_before_the_next_check,
    instants.a_clock_that_goes_back_is_one_that_stands,
    instants.a_jump_forward_ends_nobody_for_silence,
    instants.decided_anew_the_plan_is_the_same,
)
"""All of them, for millions of looks: that decide() is pure, and blind to when and in which order, by one call."""
EVERY = (*OF_A_PLAN, *OF_TWO_PLANS, *OF_MANY_PLANS)
