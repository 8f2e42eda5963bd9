"""decide(): the order in which the rules speak.

Theory. Worker rules first (`rules.py`: stopping, boot, silent, hard limit): each worker is judged alone, and the first
rule that speaks wins. Pool rules look at the survivors, as they will be once this plan is performed: so performing a
plan and looking again at the same instant finds nothing more to say. Then, in this order: what exits have cost
(`crash.py`), molds, relief of replaced workers, max_idle and surplus, replacements, births. Nothing here reads a clock,
draws a number or depends on the order of the workers in the view.

What must change together: a decision that the scoreboard turns into a phase, and what `census.py` counts in that phase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy import crash, pool
from prefork.policy.births import Pool
from prefork.policy.census import take_census
from prefork.policy.draft import Draft
from prefork.policy.limits import Limits
from prefork.policy.memory import Plan
from prefork.policy.model import Drain, Phase
from prefork.policy.molds import rule_molds
from prefork.policy.rules import LATE_NS, Moment, judge, still_silent_at
from prefork.policy.sizing import forget

if TYPE_CHECKING:
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Memory
    from prefork.policy.model import Decision, PoolView, WorkerView


def decide(config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
    """Return what to do about the pool as it looks now, and when to look again."""
    limits = _places_within(Limits.of(config), view)
    at = _moment(view, limits, memory)
    draft = Draft(at.now, limits)
    learnt = crash.learn(view, limits, memory, at.now)
    learnt = learnt._replace(awake_at=at.awake_at, last_now=at.now)
    learnt = _rule(draft, view, (memory, learnt), at)
    return Plan(
        tuple(draft.decisions),
        tuple(draft.withheld),
        draft.next_at,
        learnt._replace(next_check_at=draft.next_at),
    )


def _places_within(limits: Limits, view: PoolView) -> Limits:
    """Return limits by which no worker has more places than its loop can hold."""
    if view.places is None or not 0 < view.places < limits.max_sessions:
        return limits
    return limits._replace(max_sessions=view.places)


def _moment(view: PoolView, limits: Limits, memory: Memory) -> Moment:
    """Return the instant; a clock that went back counts as one that stood still."""
    now = view.now if memory.last_now is None else max(view.now, memory.last_now)
    late = memory.next_check_at is not None and now > memory.next_check_at + LATE_NS
    stop_by = None
    if view.stop_at is not None and view.stop_at <= now:
        stop_by = view.stop_at + limits.drain_timeout_ns if view.stop_by is None else view.stop_by
    return Moment(now, now if late else memory.awake_at, limits, stop_by)


def _rule(draft: Draft, view: PoolView, memories: tuple[Memory, Memory], at: Moment) -> Memory:
    """Let the rules speak; `memories` are the one that came in, and the one that has learnt from the view."""
    before, memory = memories
    give_up = None if at.stop_by is not None else pool.give_up(view, at.limits, before, memory)
    if give_up is not None:
        draft.say(give_up)
    survivors, draining, verdicts = _judge_workers(draft, view, at)
    if give_up is None:
        memory = rule_molds(draft, view, memory, at)
    for verdict in verdicts:
        draft.say(verdict)
    draft.wake(view.stop_at)
    if give_up is not None or at.stop_by is not None:
        return forget(memory)
    census = take_census(survivors, draining, at.limits)
    return pool.rule_pool(draft, view, Pool(at.limits, census, survivors), memory)


def _judge_workers(draft: Draft, view: PoolView, at: Moment) -> tuple[list[WorkerView], int, list[Decision]]:
    """Return who outlives the worker rules (BOOTING, SERVING), how many drain, and the verdicts by id."""
    survivors, draining = [], 0
    verdicts: list[tuple[int, Decision]] = []
    soonest: int | None = None
    for worker in view.workers:
        verdict = judge(worker, at)
        if isinstance(verdict, tuple):
            verdicts.append((worker.id, verdict))
            if isinstance(verdict, Drain):
                draining += 1
                draft.wake(still_silent_at(worker, at))
            continue
        if verdict is not None and (soonest is None or verdict < soonest):
            soonest = verdict
        if worker.phase is Phase.DRAINING:
            draining += 1
        elif worker.phase is not Phase.KILLED:
            survivors.append(worker)
    draft.wake(soonest)
    return survivors, draining, [decision for _, decision in sorted(verdicts, key=_id)]


def _id(verdict: tuple[int, Decision]) -> int:
    return verdict[0]
