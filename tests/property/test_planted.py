"""Bugs that other servers have or had, planted in the policy: each is caught by the invariant that names it.

Each test searches a small pool twice, all ways of a few events: as the policy is, nothing is found; with one of its
functions replaced, the invariant fails.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from prefork.policy import births, census, crash, demand, engine, estimates, recycle, rules, shrink, sizing
from prefork.policy.model import Phase
from prefork.policy.units import NS
from tests.property import instants, themes
from tests.property import invariants as inv
from tests.property.events import only
from tests.property.search import search
from tests.property.themes import SPARE, SPENDING, STATIC, TIMID, Small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from prefork.policy.census import Census
    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import PoolView, WorkerView
    from prefork.policy.rules import Moment, Verdict
    from prefork.policy.sizing import Need
    from tests.property.world import Seen


need_of, heard_from, draining, indebted = sizing.need_of, rules.heard_from, rules._draining, crash._indebted
take_census, count = census.take_census, census._count


ASKED = "ask to drain, second and beat"


class Bug(NamedTuple):
    """What is replaced by what, and where it shows."""

    module: ModuleType
    name: str
    planted: Callable[..., Any]
    caught_by: Callable[[Seen], None]
    pool: Small = SPARE
    kinds: str = themes.EVERYTHING
    depth: int = 2
    indebted: bool = False


def without_the_max(need: Need, _pool: object) -> int:
    """As the seed's: births follow every trim."""
    return max(0, need.births)


def in_hash_order(worker: WorkerView) -> int:
    """As the seed's, busy or not."""
    return worker.id * 2654435761 % 2**32


def doubling(*args: Any) -> Need:
    """As Apache's: 1, 2, 4 … until there are enough, not capped to what is missing."""
    need = need_of(*args)
    return need._replace(births=1 << need.births) if need.births > 0 else need


def draining_is_spare(survivors: Sequence[WorkerView], leaving: int, limits: Limits) -> Census:
    """As the seed's: who drains counts as a worker, and as one without a session."""
    counted = take_census(survivors, leaving, limits)
    return counted._replace(n=counted.n + leaving, places=counted.places + leaving * max(1, counted.cap))


def rearmed(worker: WorkerView, at: Moment) -> Verdict:
    """As the seed's: whenever the worker is heard of, its deadline begins again."""
    answered = worker.drain_by is not None and worker.heard_at is not None
    by = (worker.heard_at or 0) + at.limits.drain_timeout_ns if answered else worker.drain_by
    return draining(worker._replace(drain_by=by), at)


def never_heard_is_silent(worker: WorkerView, at: Moment) -> int:
    """As the seed's: expired at the first tick."""
    return 0 if worker.heard_at is None else heard_from(worker, at)


def without_budget(_limits: Limits, serving: int) -> int:
    """As many servers': who was born together goes together."""
    return max(1, serving)


def booting_is_no_spare(members: list[WorkerView], cap: int, live: int) -> Census:
    """As php-fpm's ondemand: whoever boots counts for nothing, so each look forks again."""
    up = [worker for worker in members if worker.phase is not Phase.BOOTING]
    return count(members, cap, live)._replace(places=count(up, cap, live).places)


def spent_is_spare(members: list[WorkerView], cap: int, live: int) -> Census:
    """Its places are free, and nobody may take them."""
    free = [worker._replace(spent=False) for worker in members]
    return count(members, cap, live)._replace(places=count(free, cap, live).places)


def nobody_in_debt(view: PoolView, pool: births.Pool, memory: Memory, now: int) -> crash.Allowance:
    """As this policy's own first: after many kills from outside nobody is born until the debt is paid."""
    allowed = indebted(view, pool, memory, now)
    return allowed if allowed.births > 1 else allowed._replace(births=0, retry_at=now + 60 * NS)


BUGS = {
    "births without the max": Bug(births, "_fitting", without_the_max, inv.spawns_stay_within_max, depth=3),
    "victims in hash order": Bug(
        shrink, "_least_missed", in_hash_order, inv.victims_are_idle_first_then_the_youngest, STATIC, themes.ORDERS, 3
    ),
    "doubling that overshoots": Bug(sizing, "need_of", doubling, inv.the_size_is_what_the_rule_asks_for),
    "draining counted as spare": Bug(engine, "take_census", draining_is_spare, inv.nobody_is_ordered_below_min),
    "a deadline re-armed by the worker's answer": Bug(
        rules, "_draining", rearmed, instants.deadlines_hold_to_the_nanosecond, kinds=ASKED, depth=4
    ),
    "a never-heard worker counted silent": Bug(
        rules, "heard_from", never_heard_is_silent, instants.deadlines_hold_to_the_nanosecond, depth=3
    ),
    "jitter without a budget": Bug(
        recycle, "budget", without_budget, inv.replacements_stay_within_their_budget, TIMID, themes.LOAD, 4
    ),
    "a booting worker is no spare": Bug(census, "_count", booting_is_no_spare, inv.the_size_is_what_the_rule_asks_for),
    "a spent worker is a spare": Bug(
        census, "_count", spent_is_spare, inv.the_size_is_what_the_rule_asks_for, SPENDING, themes.LOAD, 3
    ),
    "nobody is born in debt": Bug(
        crash, "_indebted", nobody_in_debt, inv.who_is_missing_for_outside_kills_comes_within_a_second, indebted=True
    ),
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    look_around(bug)
    monkeypatch.setattr(bug.module, bug.name, bug.planted)
    with pytest.raises(AssertionError) as caught:
        look_around(bug)
    assert bug.caught_by.__name__ in {entry.name for entry in caught.traceback}


def look_around(bug: Bug) -> None:
    start = bug.pool.settled(indebted=bug.indebted)
    start.checks = (bug.caught_by,)
    search([start], bug.depth, only(bug.kinds, bug.pool.lowered))


def always_due(*_inputs: object) -> bool:
    """Estimates that fade at each look: whatever the load calls for, an extra look may call for something else."""
    return True


def at_any_time(*_: object) -> bool:
    """As php-fpm's surplus without its second between two ends."""
    return True


def twice_as_many(pool: Census) -> int:
    """As policy.md first had it: who boots is somebody to double."""
    return max(0, max(1, pool.open) - pool.booting)


@pytest.mark.parametrize(
    ("module", "name", "planted", "caught_by"),
    [
        (estimates, "is_due", always_due, instants.nothing_is_due_before_the_next_check),
        (demand, "may_shrink", at_any_time, inv.a_plan_performed_leaves_nothing_to_say),
        (demand, "growth", twice_as_many, inv.a_plan_performed_leaves_nothing_to_say),
    ],
    ids=["estimates that fade at each look", "a surplus without a pause", "doubling by who boots"],
)
def test_a_bug_of_demand_is_caught(
    module: ModuleType,
    name: str,
    planted: Callable[..., Any],
    caught_by: Callable[[Seen], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for plants in (False, True):
        if plants:
            monkeypatch.setattr(module, name, planted)
        found = []
        for start in (themes.DEMAND.settled(), themes.rested(), themes.consolidated()):
            start.checks = (caught_by,)
            try:
                search([start], 4, only(themes.LOAD, themes.DEMAND.lowered))
            except AssertionError as error:
                found.append({entry.name for entry in traceback.extract_tb(error.__traceback__)})
        assert any(caught_by.__name__ in names for names in found) is plants
