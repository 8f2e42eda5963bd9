"""How many workers are needed, and how many could go.

Theory. *Need* is one signed number: births wanted when positive, workers that wouldn't be missed when negative. So the
pool can't grow and shrink for load in one plan, and whoever goes (surplus, max_idle) takes from the same number. What
is over `max_spare` is judged on the least number of spares over `hold`: a window that begins when the pool has more
members than it could keep, is sampled ten times a `hold` (sessions end without waking the master), and is forgotten as
soon as no shrink is possible, so that a pool at rest wakes nobody. A retired worker is taken off the whole window.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy import demand
from prefork.policy.draft import because
from prefork.policy.limits import UNBOUNDED
from prefork.policy.model import Because, Reason
from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.policy.census import Census
    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import PoolView

SHORTEST_SAMPLE_NS = NS // 10
EXCESS_LOOK_NS = NS
"""How often a pool looks whether a busy worker that is too many has become idle."""


class Need(NamedTuple):
    """What sizing says at one instant."""

    births: int
    """Wanted, before the clamp to max_workers; negative: so many could go."""
    why: Callable[[], Because]
    """The figures; most looks decide nothing, and tell none."""
    by_spares: bool = False
    """A surplus of spares: only who is one can be too many."""
    at_once: int = UNBOUNDED
    """Most births of one plan; the rest waits for these."""


def need_of(view: PoolView, limits: Limits, census: Census, memory: Memory) -> Need:
    """Return how many workers are missing, or aren't needed."""
    if view.paused:
        return _refill(limits, census)
    if view.scale is not None:
        return _scale(view.scale, limits, census)
    match limits.sizing:
        case "static":
            why = partial(because, Reason.STATIC_SIZE, n=census.n, workers=limits.workers)
            return Need(limits.workers - census.n, why)
        case "spare":
            return _spare(view, limits, census, memory)
        case "demand":  # pragma: no branch - the last kind
            return _demand(view, limits, census, memory)


def surplus_of(view: PoolView, limits: Limits, memory: Memory, need: Need) -> Need:
    """Return, as births, how many members should go now; of spares, this plan's own included."""
    if view.paused:
        return Need(0, need.why)
    if view.scale is not None or limits.sizing == "static":
        return Need(-need.births, lambda: Because(Reason.SURPLUS, need.why().figures))
    least = least_spares(memory, limits)
    why = partial(because, Reason.SURPLUS, least_spare=least, max_spare=limits.max_spare, hold_ns=limits.hold_ns)
    kept = max(limits.max_spare, limits.min_spare + queued_workers(view.queue, limits.max_sessions))
    return Need(least - kept, why, by_spares=True)


def by_load(view: PoolView, limits: Limits) -> bool:
    """Tell whether the size follows the load now: neither the operator's scale nor a pause stands in the way."""
    return limits.sizing == "demand" and view.scale is None and not view.paused


def watches(view: PoolView, limits: Limits, n: int) -> bool:
    """Tell whether `n` members are more than could be kept if all were spare."""
    by_spares = limits.sizing == "spare" and view.scale is None and not view.paused
    return by_spares and n > max(limits.min_workers, limits.max_spare)


def sample(memory: Memory, now: int, spare: int, hold_ns: int) -> Memory:
    """Add a sample to the window; a look that came late has missed some, and begins anew.

    What was so in this instant counts, even if `hold` is 0.
    """
    since = memory.window_since
    if since is None or memory.awake_at == now:
        return memory._replace(window_since=now, window=((now, spare),))
    from_ = min(now, now - hold_ns + 1)
    kept = tuple(entry for entry in memory.window if entry[0] >= from_ and entry[1] < spare)
    return memory._replace(window=(*kept, (now, spare)))


def forget(memory: Memory) -> Memory:
    """Close the window."""
    return memory if memory.window_since is None else memory._replace(window_since=None, window=())


def take_off(memory: Memory, gone: int) -> Memory:
    """Take retired spares off the window; of entries that come to nothing the newest stays."""
    lowered = {max(0, spare - gone): at for at, spare in memory.window}
    return memory._replace(window=tuple((at, spare) for spare, at in lowered.items())) if gone else memory


def least_spares(memory: Memory, limits: Limits) -> int:
    """Return the least spares over `hold`; 0 before the window is that long."""
    if memory.window_since is None or memory.last_now is None:
        return 0
    return memory.window[0][1] if memory.last_now - memory.window_since >= limits.hold_ns else 0


def next_sample_at(memory: Memory, now: int, limits: Limits, *, grows: bool) -> int:
    """Return when to look again: a tenth of `hold` later, or when the least of the window may rise by itself.

    `grows`: births of this plan are spares to come, so that the newest entry may be the least.
    """
    soonest = now + max(limits.hold_ns // 10, SHORTEST_SAMPLE_NS)
    if memory.window_since is None:
        return soonest
    old = [at + max(1, limits.hold_ns) for at, _ in (memory.window if grows else memory.window[:-1])]
    return min([at for at in (soonest, memory.window_since + limits.hold_ns, *old) if at > now])


def queued_workers(queue: int | None, cap: int) -> int:
    """Return how many workers the accept queue asks for; without a cap one would do."""
    if queue is None or queue <= 0:
        return 0
    return -(-queue // cap) if cap else 1


def _refill(limits: Limits, census: Census) -> Need:
    why = partial(because, Reason.BELOW_MIN, n=census.n, min_workers=limits.min_workers)
    return Need(limits.min_workers - census.n, why)


def _scale(scale: int, limits: Limits, census: Census) -> Need:
    wanted = max(limits.min_workers, min(scale, limits.max_workers))
    bounds = {"min_workers": limits.min_workers, "max_workers": limits.max_workers}
    return Need(wanted - census.n, partial(because, Reason.SCALE, n=census.n, scale=scale, **bounds))


def _spare(view: PoolView, limits: Limits, census: Census, memory: Memory) -> Need:
    """Take the larger of two deficits: of spares, and of min_workers, or start_workers while the pool starts."""
    queue = queued_workers(view.queue, limits.max_sessions)
    few = limits.min_spare + queue - census.spare
    low = _low(limits, census, memory)
    if low.births >= few:
        return low
    why = partial(because, Reason.FEW_SPARES, spare=census.spare, min_spare=limits.min_spare, queue=queue, n=census.n)
    return Need(few, why)


def _low(limits: Limits, census: Census, memory: Memory) -> Need:
    """Compare with min_workers, or start_workers while the pool starts."""
    if not memory.started:
        why = partial(because, Reason.START, n=census.n, start_workers=limits.start_workers)
        return Need(_least(limits, memory) - census.n, why)
    return _refill(limits, census)


def _least(limits: Limits, memory: Memory) -> int:
    return limits.min_workers if memory.started else limits.start_workers


def _demand(view: PoolView, limits: Limits, census: Census, memory: Memory) -> Need:
    """Take the larger of two deficits: of accepting workers, at most so many at once, and of min_workers."""
    load = demand.load_of(view, limits, census, memory.demand)
    needed = demand.need(load, limits, census)
    low, few = _least(limits, memory) - census.n, needed - census.open
    if low > 0 and low >= few:
        return _low(limits, census, memory)
    if few > 0:
        why = partial(demand.why_born, load, needed, limits, census)
        return Need(few, why, at_once=max(low, demand.growth(census)))
    surplus = demand.surplus(memory.demand, needed, limits, census)
    return Need(-surplus, partial(demand.why_gone, memory.demand, needed, limits, census))
