"""The invariants of policy.md about time that one look can show: shifts, clocks, deadlines, the next look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy import engine
from prefork.policy.model import Drain, Kill, MoldPhase, Phase, Reason, StartMold
from tests.property import shift

if TYPE_CHECKING:
    from prefork.policy.model import WorkerView
    from tests.property.world import Seen


def a_later_clock_gives_the_same_plan(seen: Seen) -> None:
    """13. Everything moved in time: the same plan, moved."""
    moved = engine.decide(seen.config, shift.view(seen.view), shift.memory(seen.before))
    assert moved == shift.plan(seen.plan)


def decided_anew_the_plan_is_the_same(seen: Seen) -> None:
    """11, 13, 14 in one: again, later, and of the same workers and molds in another order: the same plan, moved."""
    turned = seen.view._replace(workers=seen.view.workers[::-1], molds=seen.view.molds[::-1])
    moved = engine.decide(seen.config, shift.view(turned), shift.memory(seen.before))
    assert moved == shift.plan(seen.plan)


def a_clock_that_goes_back_is_one_that_stands(seen: Seen) -> None:
    """17. No time has passed: the same plan as at the latest instant seen."""
    for back in (1, 10**14):
        assert engine.decide(seen.config, seen.after._replace(now=seen.now - back), seen.plan.memory) == seen.again


def a_jump_forward_ends_nobody_for_silence(seen: Seen) -> None:
    """17. A master that wakes more than a second late counts silence and boots from then."""
    asked = seen.plan.next_check_at
    for late in (10**9 + 1, 10**13) if asked is not None else ():
        plan = engine.decide(seen.config, seen.after._replace(now=asked + late), seen.plan.memory)  # type: ignore[operator]
        begun = {w.id for w in seen.after.workers if w.phase is Phase.KILLED}
        for decision in plan.decisions:
            if isinstance(decision, Kill) and decision.worker not in begun:
                assert decision.because.reason in (Reason.OVERSTAYED_DRAIN, Reason.STOPPING, Reason.HARD_RSS)


def nothing_is_due_before_the_next_check(seen: Seen) -> None:
    """A moment before the next check there was nothing to say: no wake-up is late."""
    until = seen.plan.next_check_at
    if until is not None and until > seen.now + 1 and not seen.stops:
        early = engine.decide(seen.config, seen.after._replace(now=until - 1), seen.plan.memory)
        assert early.decisions == ()


def deadlines_hold_to_the_nanosecond(seen: Seen) -> None:
    """Rules 1-3: who is past a deadline is killed by this plan, who isn't is not, whatever it answered since."""
    killed = {d.worker for d in seen.plan.decisions if isinstance(d, Kill)}
    hard = {d.worker for d in seen.plan.decisions if d.because.reason is Reason.HARD_RSS and isinstance(d, Kill)}
    for worker in seen.view.workers:
        if worker.phase is not Phase.KILLED:
            due = _due(worker, seen)
            assert (worker.id in killed - hard) == (due is not None and due <= seen.now), worker


def a_mold_imports_within_its_own_configs_time(seen: Seen) -> None:
    """Rule 2, for molds: to the nanosecond, by the config that it was started with."""
    ended_ = {d.generation for d in seen.plan.decisions if d.because.reason is Reason.IMPORT_TIMEOUT}  # type: ignore[union-attr]
    for mold in () if seen.stops else seen.view.molds:
        if mold.phase is MoldPhase.STARTING:
            own = mold.import_timeout_ns
            due = max(mold.since_at, seen.plan.memory.awake_at) + (
                seen.limits.import_timeout_ns if own is None else own
            )
            assert (mold.generation in ended_) == (due <= seen.now)
            assert due <= seen.now or (seen.plan.next_check_at or due + 1) <= due
    for start in seen.plan.decisions:
        if isinstance(start, StartMold):
            own = seen.view.import_timeout_ns if start.because.reason is Reason.RELOAD else None
            assert seen.plan.next_check_at is not None
            assert seen.plan.next_check_at <= seen.now + _import_ns(own, seen)


def _import_ns(own: int | None, seen: Seen) -> int:
    return seen.limits.import_timeout_ns if own is None else own


def _due(worker: WorkerView, seen: Seen) -> int | None:
    """The instant from which it must be killed."""
    limits, awake, view = seen.limits, seen.plan.memory.awake_at, seen.view
    drain_by = worker.drain_by if worker.phase is Phase.DRAINING else None
    if view.stop_at is not None and view.stop_at <= seen.now:
        stop_by = view.stop_at + limits.drain_timeout_ns if view.stop_by is None else view.stop_by
        return stop_by if drain_by is None else min(stop_by, drain_by)
    if worker.phase is Phase.BOOTING:
        return max(worker.forked_at, worker.boot_at or 0, awake) + limits.boot_timeout_ns
    if worker.ready_at is None:
        return drain_by
    silent = max(worker.ready_at, worker.heard_at or worker.ready_at, awake) + limits.heartbeat_timeout_ns
    return silent if drain_by is None else min(silent, drain_by)


def a_deadline_is_only_moved_earlier(seen: Seen) -> None:
    """Rule 1: a drain ends by the stop's deadline, or within drain_timeout."""
    latest = seen.now + seen.limits.drain_timeout_ns
    for decision in seen.plan.decisions:
        if isinstance(decision, Drain):
            stop = decision.because.reason is Reason.STOPPING
            assert decision.by > seen.now
            assert stop or decision.by == latest
            assert not stop or seen.view.stop_by is None or decision.by <= seen.view.stop_by
