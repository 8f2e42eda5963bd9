"""The canonical form of a world: all that the rules can still tell of it, and nothing else.

Theory. Two worlds of one form get the same decisions from now on, whatever happens to both (a bisimulation). A form has

- instants as ages, each up to where the rule that reads it tells it from no longer one (a boot up to `boot_timeout`);
  where a rule sorts by an instant, its place among those beyond;
- for ids their order, since without jitter the policy only compares them; with it also what is drawn for each. Who may
  still be chosen is listed in that order, with whether it was born together with the one before; those that go are a
  bag;
- what exits were for, not how they ended; and nothing that is dead: beats before a late look, an age without a limit,
  estimates and exits of a pool that stops, molds that have ended.

`test_canon.py` holds all worlds that share a form to that. A rule that reads another fact makes it fail, and the fact
belongs here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from prefork.policy.draft import END_NS, LADDER_STEP_NS
from prefork.policy.estimates import usual_demand
from prefork.policy.jitter import draw_of
from prefork.policy.model import KillStep, MoldPhase, Owner, Phase, Reason
from prefork.policy.rules import LATE_NS
from prefork.policy.units import NS
from tests.property.counts import UP, crashed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import ExitView, MoldView, WorkerView
    from tests.property.world import World

Fact: TypeAlias = "int | tuple[Fact, ...] | None"
Form: TypeAlias = tuple[Fact, ...]

PHASES = {phase: place for place, phase in enumerate(Phase)}
MOLD_PHASES = {phase: place for place, phase in enumerate(MoldPhase)}
STEPS = {step: place for place, step in enumerate(KillStep)}
BITS = {owner: 1 << place for place, owner in enumerate(Owner)}
DEEPEST = 8
"""Events after which no search goes on: kills from outside that can't come to a debt until then are forgotten."""


class Instant(NamedTuple):
    """What the facts of one world are measured from."""

    now: int
    awake_at: int
    """As the next look will have it."""
    generation: int
    limits: Limits
    memory: Memory
    degraded_at: int | None
    indebted: bool
    """Kills from outside have come to a debt, or may."""


class Birth(NamedTuple):
    """A worker's birth beside what is remembered."""

    ago: int
    """The last one matters for a second while there is debt; at this instant, whoever crashes."""
    probe: bool
    forked: int
    """Beside the last fork that failed."""


def form(world: World, *, looked: bool) -> Form:
    """`looked`: after a look the instant of the next is known, before one only whether it comes late."""
    view, memory = world.view, world.memory
    now, asked = view.now, memory.next_check_at
    late = not looked and asked is not None and now > asked + LATE_NS
    check = asked - now if looked and asked is not None else 0
    fresh = memory.generation != view.generation
    degraded_at = None if fresh else memory.degraded_at
    limits = world.limits
    indebted = memory.outside_spent_ns > (limits.outside_burst - DEEPEST) * limits.refill_ns
    at = Instant(now, now if late else memory.awake_at, view.generation, limits, memory, degraded_at, indebted)
    if view.stop_at is not None:
        return looked, *_stopping(world, check, at)
    goals = (view.queue or 0, view.scale, view.paused, view.reload_wanted, at.limits.max_workers)
    drawn_next = world.next_id if at.limits.jitter_ppm else 0
    return (
        (looked, check, view.generation > 0, *goals, drawn_next),
        *_workers(world, at),
        _molds(world, at),
        tuple([_exit(one, at) for one in view.exits]),
        _crashes(memory, fresh, at),
        _memory(memory, at, looked=looked),
        _estimates(world, now) if at.limits.sizing == "demand" else _age(memory.demand.grew_at, now, NS),
    )


def _age(since: int | None, now: int, most: int) -> int:
    """Up to where nobody tells it from an older one; -1: never."""
    return -1 if since is None else min(now - since, most)


def _ages(instants: Iterable[int | None], now: int, most: int) -> dict[int | None, int]:
    """The same, and beyond `most` by their order, the latest first: a rule sorts by them."""
    beyond = sorted({at for at in instants if at is not None and now - at >= most}, reverse=True)
    ages: dict[int | None, int] = {at: _age(at, now, most) for at in instants}
    return ages | {at: most + place for place, at in enumerate(beyond)}


def _stopping(world: World, check: int, at: Instant) -> Form:
    """Everybody goes: only deadlines count, and the steps of who is killed."""
    view, now = world.view, at.now
    going = [
        (_waits(one, world), *(_step(one, now) if one.phase is Phase.KILLED else (-1, _left(one, now), 0)))
        for one in view.workers
    ]
    molds = [_mold(mold, at) for mold in view.molds if mold.phase not in (MoldPhase.FAILED, MoldPhase.GONE)]
    by = None if view.stop_by is None else max(0, view.stop_by - now)
    return (check, by, tuple(sorted(going)), tuple(molds))


def _waits(one: WorkerView, world: World) -> bool:
    """Whether its own deadline isn't after the stop's: both may be past."""
    view, last = world.view, one.phase is Phase.KILLED and one.kill_step is KillStep.KILL
    return not last and one.drain_by is not None and view.stop_by is not None and one.drain_by <= view.stop_by


def _left(one: WorkerView, now: int) -> int:
    """Of a drain, until its deadline; -1: it has none."""
    return -1 if one.drain_by is None else max(0, one.drain_by - now)


def _step(one: WorkerView, now: int) -> tuple[int, int, int, int]:
    """Of a kill: the step, how long ago, what it is for, and what a stop would read; nothing comes after the last."""
    if one.kill_step is None or one.killed_at is None or one.kill_step is KillStep.KILL:
        return STEPS[KillStep.KILL], 0, 0, 0
    overstayed = one.drain_by is not None and one.drain_by <= one.killed_at
    why = 1 if overstayed else 2 if one.ready_at is None else 3
    return STEPS[one.kill_step], _age(one.killed_at, now, LADDER_STEP_NS), why, _left(one, now)


def _workers(world: World, at: Instant) -> tuple[Form, Form]:
    """Who is up, by birth; and the bag of those who go."""
    limits, now = at.limits, at.now
    listed = sorted(world.view.workers)
    up = [one for one in listed if one.phase in UP]
    places = {one.id: place for place, one in enumerate(up)}
    ready = _ages([one.ready_at for one in up], now, limits.max_age_ns) if limits.max_age_ns else {}
    idle = _ages([one.idle_since for one in up], now, limits.max_idle_ns) if limits.max_idle_ns else {}
    facts: list[Form] = []
    forked_at = None
    for one in up:
        facts.append(
            (
                *_life(one, world, at),
                one.forked_at == forked_at,
                one.generation - at.generation,
                places.get(one.replaces, -1) if one.replaces else -1,
                draw_of(world.view.seed, one.id) if limits.jitter_ppm else 0,
                ready.get(one.ready_at, 0),
                idle.get(one.idle_since, 0),
                *_serving(one, at),
            )
        )
        forked_at = one.forked_at
    going = [(*_life(one, world, at), *_going(one, at)) for one in listed if one.phase not in UP]
    return tuple(facts), tuple(sorted(going))


def _life(one: WorkerView, world: World, at: Instant) -> Form:
    """What its end will be judged by."""
    ordered = world.ordered.get(one.id)
    born = _born(one, at)
    healthy = ordered is None or one.phase in UP or born.probe
    return (
        PHASES[one.phase],
        0 if ordered is None else 1 if ordered is Reason.BOOT_TIMEOUT else 2,
        *born,
        _age(one.ready_at, at.now, at.limits.healthy_after_ns if healthy else 0),
        -1 if one.born else _awaited(one, world, at),
        one.sessions if one.phase is Phase.SERVING or at.limits.sizing == "demand" else 0,
    )


def _awaited(one: WorkerView, world: World, at: Instant) -> int:
    """How long a mold that serves has been asked for it; -2: that mold is gone, and only its boot counts."""
    asked = [
        mold.generation == one.generation and mold.since_at <= one.forked_at
        for mold in world.view.molds
        if mold.phase is MoldPhase.READY
    ]
    return _age(max(one.forked_at, at.awake_at), at.now, at.limits.boot_timeout_ns) if any(asked) else -2


def _born(one: WorkerView | ExitView, at: Instant) -> Birth:
    memory = at.memory
    forked = 0
    if memory.fork_failures:
        again = one.ready_at is not None and one.ready_at > memory.fork_failed_at
        forked = 1 + (one.forked_at <= memory.fork_failed_at) + 2 * again
    probe = at.degraded_at is not None and one.forked_at >= at.degraded_at
    return Birth(_age(one.forked_at, at.now, NS if at.indebted else 1), probe, forked)


def _heard(one: WorkerView, at: Instant) -> int:
    """How long nothing was heard of it."""
    heard = one.forked_at if one.heard_at is None else one.heard_at
    since = max(heard, one.ready_at or heard, at.awake_at)
    return _age(since, at.now, at.limits.heartbeat_timeout_ns)


def _serving(one: WorkerView, at: Instant) -> Form:
    if one.phase is Phase.BOOTING:
        boots = _age(max(one.forked_at, at.awake_at), at.now, at.limits.boot_timeout_ns)
        return boots, one.drain_wanted is not None
    paused = sum([BITS[owner] for owner in one.paused_by])
    accepted = min(one.accepted, at.limits.max_served)
    unheard = one.heard_at is None  # no rule asks; a rule that did would be a known bug
    return (
        unheard,
        _heard(one, at),
        one.drain_wanted is not None,
        one.retiring_at is not None,
        accepted,
        one.spent,
        paused,
    )


def _going(one: WorkerView, at: Instant) -> Form:
    if one.phase is Phase.KILLED:
        return _step(one, at.now)
    return _left(one, at.now), -1 if one.ready_at is None else _heard(one, at), 0


def _molds(world: World, at: Instant) -> Form:
    """In the order in which they end; one that has ended is forgotten, unless it was the first."""
    ended = (MoldPhase.FAILED, MoldPhase.GONE)
    return tuple([_mold(one, at) for one in world.view.molds if not at.generation or one.phase not in ended])


def _mold(one: MoldView, at: Instant) -> tuple[int, int, int, bool]:
    age = 0
    match one.phase:
        case MoldPhase.STARTING:
            age = _age(max(one.since_at, at.awake_at), at.now, at.limits.import_timeout_ns)
        case MoldPhase.READY if at.memory.mold_restarts:
            age = _age(one.since_at, at.now, at.limits.healthy_after_ns)
        case MoldPhase.ENDING:
            age = _age(one.since_at, at.now, END_NS)
    forced = (one.generation, one.since_at) in at.memory.forced_molds
    return one.generation - at.generation, MOLD_PHASES[one.phase], age, forced


def _exit(one: ExitView, at: Instant) -> Form:
    """A fork that failed, a crash, a kill from outside, or none of them; and whether it has proved itself."""
    kind = 0
    if not one.born:
        kind = 1
    elif crashed(one, at.limits):
        kind = 2
    elif one.ordered is None and one.ready_at is not None and one.signal is not None:
        kind = 3
    born = _born(one, at)
    proved = born.probe and _age(one.ready_at, one.at, at.limits.healthy_after_ns)
    return kind, one.ready_at is not None, proved, *born


def _crashes(memory: Memory, fresh: bool, at: Instant) -> Form:
    """Buckets as they are now, and what waits for its instant."""
    now = at.now
    elapsed = 0 if memory.last_now is None else now - memory.last_now
    outside = max(0, memory.outside_spent_ns - elapsed) if at.indebted else 0
    return (
        0 if fresh else max(0, memory.crash_spent_ns - elapsed),
        (outside, _age(memory.last_gone_forked_at, now, NS)) if outside else (),
        () if at.degraded_at is None else (max(0, memory.probe_at - now), memory.failed_probes),
        (memory.fork_failures, max(0, memory.fork_retry_at - now)) if memory.fork_failures else (),
    )


def _memory(memory: Memory, at: Instant, *, looked: bool) -> Form:
    """Of molds, of the start, and the window of spares as a sample will find it: none right after a late look."""
    now, hold, again = at.now, at.limits.hold_ns, at.awake_at == at.now
    since: int | None = None
    window: Sequence[tuple[int, int]] = ()
    if memory.window_since is not None and (looked or not again):
        since = _age(memory.window_since, now, max(1, hold))
        window = [(now - seen, spare) for seen, spare in memory.window if seen >= min(now, now - hold + 1)]
    return (
        (memory.newest_mold - at.generation, memory.mold_restarts),
        _age(memory.mold_lost_at, now, at.limits.max_delay_ns),
        (memory.ever_ready, memory.started, memory.first_mold_failed),
        again and at.limits.sizing == "spare",
        since,
        tuple(window),
    )


def _estimates(world: World, now: int) -> Form:
    """What demand sizing has learnt, and what the totals will tell it; pauses of a second, counted from a sample."""
    one, view, hold = world.memory.demand, world.view, world.limits.hold_ns
    pauses = (_age(one.grew_at, now, 2 * NS), _age(one.shrank_at, now, 2 * NS))
    if one.sampled_at is None:
        return pauses
    return (
        pauses,
        now - one.sampled_at,
        (view.arrivals - one.arrived, view.completions - one.completed),
        (view.held_ns - one.held_ns, view.busy_ns - one.busy_ns),
        (one.demand, one.rate, one.session_ns, one.ended, one.busy, usual_demand(one, world.limits)),
        tuple([(now - at, need) for at, need in one.needs]),
        tuple([(now - at, weights) for at, weights in one.slots if at > now - hold]),
    )
