"""Each invariant bites: a look that it passes, falsified in one respect, fails it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from prefork.policy import engine
from prefork.policy.memory import Plan
from prefork.policy.model import (
    Because,
    Drain,
    Kill,
    KillStep,
    Pause,
    Phase,
    Reason,
    Resume,
    Retire,
    Spawn,
    StartMold,
    WorkerId,
)
from prefork.policy.units import NS
from tests.property import instants, themes
from tests.property import invariants as inv
from tests.property.events import only
from tests.property.every import EVERY, OF_A_SEARCH
from tests.property.search import search
from tests.property.themes import SPARE, STATIC, TIMID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.policy.model import Decision
    from tests.property.world import Seen

    Falsify = Callable[[Seen], Seen | None]

WHY = Because(Reason.SURPLUS, (("n", 9), ("max_workers", 1)))
YOUNG = Because(Reason.MAX_AGE, (("used", 1), ("limit", 2)))


@cache
def looks() -> list[Seen]:
    """Genuine ones, of several pools."""
    seen: list[Seen] = []
    for pool, kinds, depth in ((SPARE, themes.EVERYTHING, 2), (STATIC, themes.STOPS, 3), (TIMID, themes.LOAD, 3)):
        start = pool.settled(indebted=pool is STATIC)
        start.checks = (seen.append,)
        search([start], depth, only(kinds, pool.lowered))
    for start in (themes.rested(), themes.consolidated()):
        start.checks = (seen.append,)
        search([start], 3, only(themes.LOAD, themes.DEMAND.lowered))
    return seen


def saying(*more: Decision) -> Falsify:
    """The plan says more than it does."""
    return lambda seen: seen._replace(plan=seen.plan._replace(decisions=(*seen.plan.decisions, *more)))


def instead(kind: type, new: Callable[[Any], Decision]) -> Falsify:
    """Where the plan says something of a kind, it says another thing."""

    def falsify(seen: Seen) -> Seen | None:
        said = tuple(new(each) if isinstance(each, kind) else each for each in seen.plan.decisions)
        return None if said == seen.plan.decisions else seen._replace(plan=seen.plan._replace(decisions=said))

    return falsify


def remembering(**changes: Any) -> Falsify:
    """The plan's memory is another."""
    return lambda seen: seen._replace(plan=seen.plan._replace(memory=seen.plan.memory._replace(**changes)))


def silent(seen: Seen) -> Seen | None:
    """The plan says nothing where it says something."""
    plan = Plan((), (), seen.plan.next_check_at, seen.plan.memory)
    return seen._replace(plan=plan) if seen.plan.decisions else None


def asleep(seen: Seen) -> Seen | None:
    """The next look is a year away."""
    at = seen.plan.next_check_at
    return None if at is None else seen._replace(plan=seen.plan._replace(next_check_at=at + 10**16))


def told_before(seen: Seen) -> Seen | None:
    told = {("drain", d.worker, d.by) for d in seen.plan.decisions if isinstance(d, Drain)}
    return seen._replace(told=frozenset(told)) if told else None


def after_lost(seen: Seen) -> Seen | None:
    """All are gone, and nobody was ordered to come."""
    return None if seen.stops else seen._replace(after=seen.after._replace(workers=()))


def one_more_alive(seen: Seen) -> Seen | None:
    extra = tuple(w._replace(id=WorkerId(w.id + 50)) for w in seen.after.workers)
    spawns = any(isinstance(d, Spawn) for d in seen.plan.decisions)
    return seen._replace(after=seen.after._replace(workers=seen.after.workers + extra * 2)) if spawns else None


def everybody_paused(seen: Seen) -> Seen | None:
    serving = [w for w in seen.after.workers if w.phase is Phase.SERVING and not w.sessions]
    if not serving or seen.view.paused or seen.stops:
        return None
    view = seen.view._replace(queue=2)
    plan = seen.plan._replace(decisions=tuple(Pause(w.id, WHY) for w in seen.after.workers))
    return seen._replace(view=view, plan=plan)


def a_debt_slept_through(seen: Seen) -> Seen | None:
    in_debt = any(held.because.reason is Reason.OUTSIDE_TOKENS for held in seen.plan.withheld)
    return asleep(seen) if in_debt else None


def unasked(seen: Seen) -> Seen | None:
    """Nobody knows when the look was asked for, so none is late."""
    memory = seen.plan.memory._replace(next_check_at=None)
    quiet = any(w.phase is Phase.SERVING for w in seen.after.workers)
    return seen._replace(plan=seen.plan._replace(memory=memory)) if quiet and not seen.stops else None


def too_many_at_once(seen: Seen) -> Seen | None:
    """Whoever is born by this plan is over the max of the next."""
    spawns = [d for d in seen.plan.decisions if isinstance(d, Spawn) and d.replaces is None]
    lower = seen.config.model_copy(update={"max_workers": 1})
    return seen._replace(config=lower) if spawns and not seen.stops else None


def the_oldest_goes(seen: Seen) -> Seen | None:
    """A younger one that is idle stays."""
    idle = [w for w in seen.after.workers if w.phase is Phase.SERVING and not w.sessions]
    oldest = min(idle, key=lambda worker: worker.forked_at, default=None)
    younger = oldest is not None and any(worker.forked_at > oldest.forked_at for worker in idle)
    return saying(Retire(oldest.id, WHY))(seen) if oldest is not None and younger else None


def all_being_replaced(seen: Seen) -> Seen | None:
    """Each worker has the next as its successor, and no budget allows that."""
    names = [worker.id for worker in seen.after.workers]
    ring = zip(seen.after.workers, names[1:] + names[:1], strict=True)
    workers = tuple(worker._replace(phase=Phase.SERVING, replaces=name) for worker, name in ring)
    limits = seen.limits._replace(max_unavailable_ppm=0)
    return seen._replace(limits=limits, after=seen.after._replace(workers=workers))


def not_performed(seen: Seen) -> Seen | None:
    return seen._replace(after=seen.view) if seen.plan.decisions else None


def an_import_slept_through(seen: Seen) -> Seen | None:
    starts = any(isinstance(decision, StartMold) for decision in seen.plan.decisions)
    return asleep(seen) if starts else None


FALSIFIED: dict[Callable[[Seen], None], Falsify] = {
    inv.spawns_stay_within_max: one_more_alive,
    inv.nobody_is_ordered_below_min: after_lost,
    inv.the_size_is_what_the_rule_asks_for: after_lost,
    inv.decisions_name_known_workers_once: saying(Retire(WorkerId(99), WHY)),
    inv.nothing_is_born_without_a_mold: instead(Spawn, lambda spawn: spawn._replace(generation=9)),
    inv.a_surplus_ends_only_idle_workers: instead(Drain, lambda drain: Kill(drain.worker, KillStep.KILL, WHY)),
    inv.victims_are_idle_first_then_the_youngest: the_oldest_goes,
    inv.the_pool_does_not_grow_and_shrink_in_one_plan: saying(Resume(WorkerId(1), WHY)),
    inv.replacements_stay_within_their_budget: all_being_replaced,
    inv.crashes_are_paid_for: remembering(crash_spent_ns=1),
    inv.kills_from_outside_are_paid_for: remembering(outside_spent_ns=1),
    inv.who_is_missing_for_outside_kills_comes_within_a_second: a_debt_slept_through,
    inv.the_policy_never_pauses_everybody_while_somebody_waits: everybody_paused,
    inv.figures_give_the_same_verdict: instead(Spawn, lambda spawn: spawn._replace(because=YOUNG)),
    inv.memory_is_bounded: remembering(outside_spent_ns=-1),
    inv.memory_survives_json: remembering(probe_at=0.5),
    inv.two_calls_are_equal: silent,
    inv.a_plan_performed_leaves_nothing_to_say: not_performed,
    inv.another_order_of_workers_gives_the_same_plan: silent,
    inv.the_next_plan_undoes_nothing: too_many_at_once,
    inv.nobody_is_told_twice: told_before,
    instants.a_later_clock_gives_the_same_plan: silent,
    instants.decided_anew_the_plan_is_the_same: silent,
    instants.a_clock_that_goes_back_is_one_that_stands: remembering(last_now=None),
    instants.a_jump_forward_ends_nobody_for_silence: unasked,
    instants.nothing_is_due_before_the_next_check: asleep,
    instants.deadlines_hold_to_the_nanosecond: instead(Kill, lambda kill: kill._replace(worker=WorkerId(99))),
    instants.a_mold_imports_within_its_own_configs_time: an_import_slept_through,
    instants.a_deadline_is_only_moved_earlier: instead(Drain, lambda drain: drain._replace(by=drain.by + NS)),
}


@pytest.mark.parametrize(
    "invariant",
    dict.fromkeys((*EVERY, *OF_A_SEARCH)),
    ids=lambda invariant: invariant.__name__,
)
def test_an_invariant_bites(invariant: Callable[[Seen], None]) -> None:
    assert any(fails(invariant, falsified) for falsified in _falsified(invariant))


def test_a_decide_that_changes_its_inputs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: Any = ["as it was"]
    monkeypatch.setattr(engine, "decide", lambda *_inputs: notes.append("changed"))
    assert fails(inv.two_calls_are_equal, looks()[0]._replace(before=notes))


def _falsified(invariant: Callable[[Seen], None]) -> Iterator[Seen]:
    for seen in looks():
        invariant(seen)
        falsified = FALSIFIED[invariant](seen)
        if falsified is not None:
            yield falsified


def fails(invariant: Callable[[Seen], None], seen: Seen) -> bool:
    try:
        invariant(seen)
    except AssertionError:
        return True
    return False
