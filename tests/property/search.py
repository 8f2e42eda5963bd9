"""Every pool that a few events can lead to: a search over states, each look shown to the invariants.

Theory. A node is a world just before a look. Two worlds are one node when no rule of the policy can tell them apart:
instants are taken from `now` and capped (no limit of a config that is searched is as long as FAR), workers are listed
by what they are and named by that order, generations and molds count from the pool's. So a search is wide at first and
then meets itself again; the way to a node is kept, to be told when an invariant fails there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.policy.model import Owner
from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prefork.policy.estimates import Estimates
    from prefork.policy.memory import Memory
    from prefork.policy.model import PoolView, WorkerView
    from tests.property.events import Event
    from tests.property.world import World

FAR = 6 * NS

Way = tuple[Any, ...]
"""Nested pairs: the way before, and the name of the last event."""


class Found(NamedTuple):
    """How much a search has seen."""

    nodes: int
    """Worlds that were looked at."""
    steps: int
    """Events that happened."""


def search(starts: Sequence[World], depth: int, events: Callable[[World], Iterable[Event]]) -> Found:
    """Look at every world to which at most `depth` events lead. Raises AssertionError, with the way to the fault."""
    met: set[object] = set()
    settled: set[object] = set()
    """Worlds after their look: from two nodes that come to the same, the search goes on once."""
    frontier: list[tuple[World, Way]] = [(world, ()) for world in starts]
    nodes = steps = 0
    for left in range(depth, -1, -1):
        following: list[tuple[World, Way]] = []
        for world, way in frontier:
            _look(world, way)
            nodes += 1
            if not left or _is_known(world, settled):
                continue
            for event in events(world):
                steps += 1
                after = world.copy()
                event.happens(after)
                if not _is_known(after, met):
                    following.append((after, (way, event.name)))
        frontier = following
    return Found(nodes, steps)


def _is_known(world: World, known: set[object]) -> bool:
    here = key(world)
    if here in known:
        return True
    known.add(here)
    return False


def _look(world: World, way: Way) -> None:
    try:
        world.look()
    except AssertionError as error:
        error.add_note(f"after: {', '.join(_names(way))}")
        raise


def _names(way: Way) -> list[str]:
    names = []
    while way:
        way, name = way
        names.append(name)
    return names[::-1]


def key(world: World) -> object:
    """Equal for worlds that no rule can tell apart, whether they have been looked at or not."""
    view = world.view
    now, generation = view.now, view.generation
    facts = {one.id: _worker(one, world) for one in view.workers}
    listed = sorted((facts[one.id], one.id, one.replaces) for one in view.workers)
    places = {name: place for place, (_, name, _) in enumerate(listed)}
    return (
        tuple([(fact, places.get(old, -1) if old else -1) for fact, _, old in listed]),
        tuple([(m.generation - generation, m.phase, _ago(m.since_at, now), m.import_timeout_ns) for m in view.molds]),
        tuple([(*one[2:3], now - one.at, *_agos(now, one.ready_at, one.forked_at), *one[6:]) for one in view.exits]),
        (generation > 0, view.queue, view.scale, view.paused, view.reload_wanted, world.config.max_workers),
        (view.stop_at is None, view.stop_at and view.stop_at - now, view.stop_by and view.stop_by - now),
        _memory(world.memory, now, generation),
        _estimates(world.memory.demand, view),
    )


def _estimates(one: Estimates, view: PoolView) -> tuple[Any, ...]:
    """What demand sizing has learnt, and what the view's totals will tell it."""
    if one.sampled_at is None:
        return ()
    now = view.now
    totals = (view.arrivals - one.arrived, view.completions - one.completed, view.held_ns - one.held_ns)
    return (
        (now - one.sampled_at, *totals, view.busy_ns - one.busy_ns),
        (one.demand, one.rate, one.session_ns, one.ended, one.busy, one.usual),
        tuple([(now - at, need) for at, need in one.needs]),
        tuple([(now - at, weights) for at, weights in one.slots]),
        _agos(now, one.grew_at, one.shrank_at),
    )


def _ago(at: int | None, now: int) -> int:
    return -1 if at is None else min(now - at, FAR)


def _agos(now: int, *instants: int | None) -> tuple[int, ...]:
    return tuple([-1 if at is None else min(now - at, FAR) for at in instants])


def _worker(one: WorkerView, world: World) -> tuple[Any, ...]:
    """What the rules see of a worker; orderable."""
    now = world.view.now
    return (
        one.phase,
        one.generation - world.view.generation,
        _agos(now, one.forked_at, one.ready_at, one.heard_at, one.idle_since, one.retiring_at, one.killed_at),
        one.sessions,
        min(one.accepted, world.limits.max_served),
        sum([1 << place for place, owner in enumerate(Owner) if owner in one.paused_by]),
        0 if one.drain_by is None else one.drain_by - now,
        one.kill_step or "",
        one.drain_wanted or "",
        one.spent,
        world.ordered.get(one.id) or "",
    )


def _memory(memory: Memory, now: int, generation: int) -> tuple[Any, ...]:
    counted = (memory.ever_ready, memory.started, memory.first_mold_failed, memory.crash_spent_ns)
    crashes = (_ago(memory.degraded_at, now), memory.failed_probes) if memory.degraded_at is not None else ()
    forks = (memory.fork_failures, *_agos(now, memory.fork_failed_at, memory.fork_retry_at))
    return (
        *counted,
        memory.next_check_at and memory.next_check_at - now,
        (memory.generation - generation, memory.newest_mold - generation, memory.mold_restarts),
        _agos(now, memory.last_now, memory.awake_at, memory.mold_lost_at, memory.window_since),
        (*crashes, memory.probe_at - now) if crashes else (),
        forks if memory.fork_failures else (),
        (memory.outside_spent_ns, _ago(memory.last_gone_forked_at, now)) if memory.outside_spent_ns else (),
        tuple([(number - generation, _ago(at, now)) for number, at in memory.forced_molds]),
        tuple([(now - at, spare) for at, spare in memory.window]),
    )
