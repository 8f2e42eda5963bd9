"""The invariants of policy.md that one look can show, each a function over what was seen, with its number.

Theory. Each function recomputes what it needs from the view in its own words: nothing here asks the policy's own
census, need or budget, so a mistake in them can't excuse itself.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from prefork.policy import engine
from prefork.policy.config import MAX_WORKERS
from prefork.policy.limits import PPM
from prefork.policy.memory import Memory
from prefork.policy.model import (
    Drain,
    EndMold,
    GiveUp,
    Kill,
    KillStep,
    Owner,
    Pause,
    Phase,
    Reason,
    Resume,
    Retire,
    Spawn,
)
from tests.property import verdicts
from tests.property.counts import (
    UP,
    births,
    crashed,
    ended,
    live,
    members,
    missing,
    replaced,
    successors,
    told,
    withheld,
)

if TYPE_CHECKING:
    from prefork.policy.model import PoolView, WorkerView
    from tests.property.world import Seen

RECYCLE = {Reason.OLD_GENERATION, Reason.MAX_AGE, Reason.MAX_SERVED, Reason.MAX_RSS}
LOAD_BIRTHS = {
    Reason.START,
    Reason.BELOW_MIN,
    Reason.FEW_SPARES,
    Reason.DEMAND,
    Reason.STATIC_SIZE,
    Reason.SCALE,
    Reason.PROBE,
}
DOUBT = 1e-4
VIOLENT = {Reason.SILENT_BLOCKED, Reason.SILENT_SPINNING, Reason.HARD_RSS, Reason.OVERSTAYED_DRAIN, Reason.STOPPING}
WITHHOLDS_BIRTHS = {
    Reason.AT_MAX,
    Reason.NO_MOLD,
    Reason.CRASH_TOKENS,
    Reason.OUTSIDE_TOKENS,
    Reason.FORK_FAILED,
}
BOOT_FAILS = (Phase.BOOTING, Phase.KILLED)
STEPS = list(KillStep)


def spawns_stay_within_max(seen: Seen) -> None:
    """1. A plan that spawns leaves no more than max live, and max_surge over it only with a recycle reason."""
    new, relief, limits = births(seen), successors(seen), seen.limits
    assert {spawn.because.reason for spawn in new} <= LOAD_BIRTHS
    assert {spawn.because.reason for spawn in relief} <= RECYCLE
    if new:
        assert live(seen.after) - len(relief) <= limits.max_workers
    if relief:
        assert live(seen.after) <= limits.max_workers + limits.max_surge


def nobody_is_ordered_below_min(seen: Seen) -> None:
    """2. Below min for no reason but tokens, max or a mold that isn't ready; surplus and idle never reach it."""
    if seen.stops:
        return
    n, low = len(members(seen.after)), seen.limits.min_workers
    if n < low:
        held = {held.because.reason for held in seen.plan.withheld if held.want == "spawn"}
        assert held & WITHHOLDS_BIRTHS, f"{n} of {low} and nothing withheld"
    if any(isinstance(d, Retire) for d in ended(seen)):
        assert n >= low


def the_size_is_what_the_rule_asks_for(seen: Seen) -> None:
    """2, 5. Births fill the deficit, no more; what they can't is told as withheld."""
    if seen.stops or any(d.because.reason is Reason.SURPLUS for d in ended(seen) if isinstance(d, Drain)):
        return
    held = withheld(seen, "spawn")
    assert missing(seen, start=False, doubt=-DOUBT) <= held
    if births(seen):
        assert missing(seen, start=True, doubt=-DOUBT) <= held <= missing(seen, start=True, doubt=DOUBT)


def decisions_name_known_workers_once(seen: Seen) -> None:
    """3. Known, at most once, none already draining but past its deadline.

    A successor tells the one that it is born to replace nothing: one that is resumed may get one by the same plan, for
    it is needed until that serves; one that is let go or paused may not.
    """
    known = {worker.id: worker for worker in seen.view.workers}
    names = [each.worker for each in seen.plan.decisions if isinstance(each, Pause | Resume | Retire | Drain | Kill)]
    assert set(names) <= known.keys()
    assert len(names) == len(set(names))
    for decision in ended(seen):
        _is_new_to(known[decision.worker], decision, seen)
    told_off = {each.worker for each in seen.plan.decisions if isinstance(each, Pause | Retire | Drain | Kill)}
    for spawn in successors(seen):
        assert known[spawn.replaces].phase is Phase.SERVING  # type: ignore[index]
        assert spawn.replaces not in told_off
        relieved_by = [w for w in seen.view.workers if w.replaces == spawn.replaces and w.phase in UP]
        assert {w.id for w in relieved_by} <= set(names)


def _is_new_to(worker: WorkerView, decision: Retire | Drain | Kill, seen: Seen) -> None:
    if isinstance(decision, Retire):
        assert worker.phase is Phase.SERVING
        assert worker.retiring_at is None
    elif isinstance(decision, Drain) and worker.phase is Phase.DRAINING:
        assert seen.stops
        assert worker.drain_by is None or decision.by < worker.drain_by
    elif isinstance(decision, Drain):
        assert worker.phase in UP
    elif worker.phase is Phase.KILLED:
        assert worker.kill_step is None or STEPS.index(decision.step) > STEPS.index(worker.kill_step)


def a_surplus_ends_only_idle_workers(seen: Seen) -> None:
    """4. Retire for who holds no session; a busy one drains only over max; a kill has a violent reason."""
    known = {worker.id: worker for worker in seen.view.workers}
    for decision in ended(seen):
        worker, reason = known[decision.worker], decision.because.reason
        match decision:
            case Retire():
                assert worker.sessions == 0
                assert reason in (Reason.SURPLUS, Reason.MAX_IDLE, Reason.EMPTIED)
            case Drain():
                assert reason not in (Reason.MAX_IDLE, *VIOLENT) or reason is Reason.STOPPING
                assert reason is not Reason.SURPLUS or len(members(seen.view)) > seen.limits.max_workers
            case Kill():
                assert reason in VIOLENT or (reason is Reason.BOOT_TIMEOUT and worker.phase in BOOT_FAILS)


def victims_are_idle_first_then_the_youngest(seen: Seen) -> None:
    """4. Who stays would be missed no less: by sessions, the spent, the youngest, id; for max_idle the longest idle.

    Who is being replaced by one of those goes with it. Whom the policy has paused is no surplus, and goes when empty.
    """
    retired = [d for d in ended(seen) if isinstance(d, Retire)]
    by_spares = any({"least_spare", "keep"} & dict(d.because.figures).keys() for d in retired)
    kept = [w for w in members(seen.after) if w.phase is Phase.SERVING and not w.sessions]
    kept = [w for w in kept if not (by_spares and (w.paused_by or w.spent))]
    known = {worker.id: worker for worker in seen.view.workers}
    with_successor = {worker.replaces for worker in seen.view.workers if worker.id in told(seen)}
    for decision in retired:
        one = known[decision.worker]
        if one.id in with_successor or decision.because.reason is Reason.EMPTIED:
            continue
        if decision.because.reason is Reason.SURPLUS:
            mine = (not one.spent, -one.forked_at, one.id)
            counted = [other for other in kept if Owner.POLICY not in other.paused_by]
            assert all(mine < (not other.spent, -other.forked_at, other.id) for other in counted)
        else:
            assert all((one.idle_since, one.id) < (other.idle_since or seen.now, other.id) for other in kept)


def the_pool_does_not_grow_and_shrink_in_one_plan(seen: Seen) -> None:
    """5. No birth for load beside a retirement; the policy resumes only what it paused."""
    assert not (births(seen) and any(isinstance(d, Retire) for d in seen.plan.decisions))
    paused = {worker.id for worker in seen.view.workers if Owner.POLICY in worker.paused_by}
    assert {d.worker for d in seen.plan.decisions if isinstance(d, Resume)} <= paused


def replacements_stay_within_their_budget(seen: Seen) -> None:
    """6. Workers being replaced <= max(1, floor(max_unavailable * n)) whenever one more is ordered."""
    if successors(seen):
        serving = {worker.id for worker in seen.after.workers if worker.phase is Phase.SERVING}
        being = replaced(seen.after) & serving
        n = len(members(seen.after)) - sum(w.replaces in being for w in members(seen.after)) + len(being)
        assert len(being) <= max(1, n * seen.limits.max_unavailable_ppm // PPM)


def crashes_are_paid_for(seen: Seen) -> None:
    """7. By induction: each crash takes a token while one is left; then one probe at a time, when its time has come."""
    before, after, limits = seen.before, seen.plan.memory, seen.limits
    fresh = seen.view.generation != before.generation
    elapsed = 0 if before.last_now is None else seen.now - before.last_now
    spent = 0 if fresh else max(0, before.crash_spent_ns - elapsed)
    crashes = sum(crashed(one, limits) for one in seen.view.exits)
    tokens = max(0, limits.crash_burst * limits.refill_ns - spent) // limits.refill_ns
    assert after.crash_spent_ns == spent + min(crashes, tokens) * limits.refill_ns
    was_degraded = before.degraded_at is not None and not fresh
    if crashes > tokens and not was_degraded:
        assert after.degraded_at is not None or _healthy_since(seen)
    if after.degraded_at is not None:
        new = [*births(seen), *successors(seen)]
        assert len(new) <= 1
        out = [
            w
            for w in seen.view.workers
            if w.phase in UP and w.forked_at >= after.degraded_at and w.id not in told(seen)
        ]
        assert not new or (after.probe_at <= seen.now and not out)


def kills_from_outside_are_paid_for(seen: Seen) -> None:
    """7. Each takes a token, up to a debt of as many again; in debt, while too few are up, one birth a second."""
    before, after, limits = seen.before, seen.plan.memory, seen.limits
    elapsed = 0 if before.last_now is None else seen.now - before.last_now
    spent, most = max(0, before.outside_spent_ns - elapsed), 2 * limits.outside_burst * limits.refill_ns
    for exit_ in seen.view.exits:
        alone = exit_.born and exit_.ordered is None and exit_.ready_at is not None and exit_.signal is not None
        spent = min(spent + limits.refill_ns, most) if alone and not crashed(exit_, limits) else spent
    assert after.outside_spent_ns == spent
    born = [*births(seen), *successors(seen)]
    if spent > limits.outside_burst * limits.refill_ns and born:
        here = [w for w in members(seen.view) if w.id not in told(seen)]
        assert len(born) == 1
        assert all(w.phase is Phase.SERVING for w in here)
        assert len(here) < max(1, limits.min_workers)
        forked = [w.forked_at for w in seen.view.workers] + [e.forked_at for e in seen.view.exits]
        assert all(seen.now - at >= 10**9 for at in forked)


def who_is_missing_for_outside_kills_comes_within_a_second(seen: Seen) -> None:
    """22. While fewer than min are up, debt never makes the next birth wait for longer."""
    here = members(seen.after)
    debt = any(h.want == "spawn" and h.because.reason is Reason.OUTSIDE_TOKENS for h in seen.plan.withheld)
    if debt and len(here) < seen.limits.min_workers and all(w.phase is Phase.SERVING for w in here):
        assert seen.plan.next_check_at is not None
        assert seen.plan.next_check_at <= seen.now + 10**9


def _healthy_since(seen: Seen) -> bool:
    """Somebody has proved healthy in this very look."""
    enough = seen.limits.healthy_after_ns
    lives = [(w.ready_at, seen.now) for w in seen.view.workers] + [(e.ready_at, e.at) for e in seen.view.exits]
    return any(ready is not None and end - ready >= enough for ready, end in lives)


def the_policy_never_pauses_everybody_while_somebody_waits(seen: Seen) -> None:
    """8. Not all paused by the policy while the queue isn't empty and one of them has a free place."""
    if seen.stops or seen.view.paused or not (seen.view.queue or 0) > 0:
        return
    now_paused = {d.worker for d in seen.plan.decisions if isinstance(d, Pause)}
    cap = seen.limits.max_sessions
    serving = [w for w in members(seen.after) if w.phase is Phase.SERVING]
    free = [w for w in serving if not cap or w.sessions < cap]
    closed = [w for w in serving if w.id in now_paused or w.paused_by]
    assert not (now_paused and free and len(closed) == len(serving))


def figures_give_the_same_verdict(seen: Seen) -> None:
    """9. Every reason is of the closed enum, and its figures, recomputed, give the same verdict."""
    for said in (*seen.plan.decisions, *seen.plan.withheld):
        assert isinstance(said.because.reason, Reason)
        assert all(isinstance(value, int | str) for _, value in said.because.figures)
        assert verdicts.holds(said, seen), said


def memory_survives_json(seen: Seen) -> None:
    """10. One line of JSON gives the same memory; no floats."""
    text = seen.plan.memory.to_json()
    assert Memory.from_json(text) == seen.plan.memory
    assert "." not in text


def memory_is_bounded(seen: Seen) -> None:
    """10. It grows with spares and molds alone."""
    memory = seen.plan.memory
    assert len(memory.window) <= len(seen.view.workers) + 1
    assert len(memory.demand.needs) <= MAX_WORKERS
    assert len(memory.demand.slots) <= 11
    assert all(0 <= demand <= MAX_WORKERS for _, slot in memory.demand.slots for demand, _ in slot)
    assert len(memory.forced_molds) <= len(seen.view.molds)
    rising = [spare for _, spare in memory.window]
    assert rising == sorted(set(rising))
    burst = max(seen.limits.outside_burst * seen.limits.refill_ns * 2, seen.before.outside_spent_ns)
    assert 0 <= memory.outside_spent_ns <= burst


def two_calls_are_equal(seen: Seen) -> None:
    """11. Pure and deterministic: the same plan, and the inputs as they were."""
    before = pickle.dumps((seen.config, seen.view, seen.before))
    assert engine.decide(seen.config, seen.view, seen.before) == seen.plan
    assert pickle.dumps((seen.config, seen.view, seen.before)) == before


def a_plan_performed_leaves_nothing_to_say(seen: Seen) -> None:
    """12. The same instant again: an empty plan, and no earlier look."""
    if any(isinstance(decision, GiveUp) for decision in seen.plan.decisions):
        return
    again = seen.again
    assert again.decisions == (), f"said {seen.plan.decisions}, then {again.decisions}"
    asked, needed = seen.plan.next_check_at, again.next_check_at
    assert needed is None or (asked is not None and asked <= needed), f"{seen.plan} would oversleep {needed}"


def another_order_of_workers_gives_the_same_plan(seen: Seen) -> None:
    """14. The order in which the view lists workers and molds says nothing."""
    other = seen.view._replace(workers=seen.view.workers[::-1], molds=seen.view.molds[::-1])
    assert engine.decide(seen.config, other, seen.before) == seen.plan


def the_next_plan_undoes_nothing(seen: Seen) -> None:
    """16. The world does as it was told and nothing else changes: now, or after hold, nothing is taken back.

    Left out: START asks for more than the load does, and may shrink later.
    """
    if seen.stops or any(d.because.reason in (Reason.START, Reason.PROBE) for d in births(seen)):
        return
    grown = bool(births(seen))
    follows = seen.limits.sizing == "demand"  # and then what was learnt fades, and sessions prove to be longer
    shrunk = {d.because.reason for d in ended(seen)} & {Reason.SURPLUS, Reason.MAX_IDLE}
    for later in ((0,) if follows else (0, seen.limits.hold_ns)) if grown or shrunk else ():
        plan = engine.decide(seen.config, _obeyed(seen, later), seen.plan.memory)
        taken_back = {d.because.reason for d in plan.decisions if isinstance(d, Retire | Drain)}
        assert not (grown and Reason.SURPLUS in taken_back)
        assert not (shrunk and any(isinstance(d, Spawn) and d.replaces is None for d in plan.decisions))


def _obeyed(seen: Seen, later: int) -> PoolView:
    """The view when the born serve and the told are gone."""
    at = seen.now + later
    stay = [w for w in seen.after.workers if w.phase in UP and w.retiring_at is None]
    serving = [
        w._replace(phase=Phase.SERVING, ready_at=at, heard_at=at, idle_since=at)
        if w.phase is Phase.BOOTING
        else w._replace(heard_at=at)
        for w in stay
    ]
    return seen.after._replace(now=at, workers=tuple(serving))


def nobody_is_told_twice(seen: Seen) -> None:
    """24. The same step, or the same deadline, is ordered once in a life."""
    for decision in seen.plan.decisions:
        match decision:
            case Drain(worker=name, by=by):
                assert ("drain", name, by) not in seen.told
            case Kill(worker=name, step=step):
                assert ("kill", name, step) not in seen.told
            case EndMold(generation=generation, force=force):
                since = {m.since_at for m in seen.view.molds if m.generation == generation}
                assert not {("mold", generation, at, force) for at in since} & seen.told


def nothing_is_born_without_a_mold(seen: Seen) -> None:
    """3. A Spawn names the pool's generation, and a READY mold of it exists."""
    for spawn in (*births(seen), *successors(seen)):
        assert spawn.generation == seen.view.generation
        assert any(m.generation == spawn.generation and m.phase == "ready" for m in seen.view.molds)
