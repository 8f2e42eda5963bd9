"""How many workers the load calls for: one birth ahead, with headroom; and how many are kept for what was.

Theory. Offered load a is arrivals a second times the mean session time tau (Little). From b sessions now, an M/M/inf
queue is on average at m = a + (b - a) e after h, where e = exp(-h / tau), with variance a (1 - e) + b e (1 - e): h is
what a birth takes, so m is what meets the workers that are ordered now. A rush is what more comes than keeps as many as
there are; of it, what chance may have made isn't counted on. Who waits already is weighed by how much of `target_wait`
a session takes. Sessions on members that don't accept need no place. Where sessions have no cap, places
say nothing: the loops' busy time does, up to 70 % of each, and a queue counts as one worker.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy import estimates as es
from prefork.policy.draft import because
from prefork.policy.fixed import BITS, MICRO, ONE, ceil_div, decay, root
from prefork.policy.limits import PPM
from prefork.policy.model import Reason
from prefork.policy.units import NS

if TYPE_CHECKING:
    from prefork.policy.census import Census
    from prefork.policy.estimates import Estimates
    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import Because, PoolView

LONGEST_AHEAD_NS = 2 * NS
FEWEST_AT_ONCE = 4
MOLD_AHEAD = 2
"""Births that a mold has not come to: the one that it makes, and the next."""
PAUSE_BETWEEN_NS = NS
"""From a growth or a shrink to the next shrink."""
SHARE_AT_ONCE = 10
"""A tenth of the workers goes at a time."""


class Load(NamedTuple):
    """What need is computed from; counts with a fraction in 1/MICRO."""

    sessions: int
    """Held by members."""
    shut: int
    """Of those, on members that don't accept."""
    queue: int
    rate: int
    """Arrivals a second, in 1/MICRO."""
    tau_ns: int
    ahead_ns: int
    busy: int
    """Loops that are busy, in 1/MICRO."""


def load_of(view: PoolView, limits: Limits, census: Census, learnt: Estimates) -> Load:
    """Return the load as it is now, by estimates as of the last sample."""
    ahead = min(LONGEST_AHEAD_NS, max(view.spawn_ns or 0, limits.target_wait_ns))
    shut = census.sessions - census.open_sessions
    queue = max(0, view.queue or 0)
    return Load(census.sessions, shut, queue, learnt.rate, learnt.tau_ns, ahead, learnt.busy)


def that_came(load: Load) -> Load:
    """Return the load as it would be if no more came than are there: what is kept is for them.

    A rush calls for whom it would bring if it went on; when it is over, they were nobody.
    """
    return load._replace(rate=min(load.rate, _steady(load)))


def counted_on(load: Load) -> Load:
    """Return the load with no rush that is within a standard deviation, and any other less that.

    The rate is a mean with exponential weights over RATE_NS: its variance is rate / (2 RATE_NS).
    """
    chance = root(load.rate * NS // (2 * es.RATE_NS))
    return load._replace(rate=min(load.rate, max(_steady(load), load.rate - chance)))


def mean(load: Load, target_wait_ns: int) -> int:
    """Return the sessions to expect on members that accept, in 1/MICRO."""
    sessions, offered = load.sessions * MICRO, load.rate * load.tau_ns // NS
    expected = offered + ((sessions - offered) * decay(load.ahead_ns, load.tau_ns) >> BITS)
    if load.queue:
        growth = (load.rate - sessions * NS // load.tau_ns) * load.ahead_ns // NS
        waiting = load.queue * MICRO + growth
        expected = max(expected, sessions + waiting * min(load.tau_ns, target_wait_ns) // target_wait_ns)
    return expected - load.shut * MICRO


def variance(load: Load) -> int:
    """Return the variance of that number, in 1/MICRO."""
    offered, stay = load.rate * load.tau_ns // NS, decay(load.ahead_ns, load.tau_ns)
    return (offered * (ONE - stay) >> BITS) + (load.sessions * MICRO * stay * (ONE - stay) >> 2 * BITS)


@lru_cache(maxsize=64)
def places_for(load: Load, target_wait_ns: int, headroom_ppm: int) -> int:
    """Return the sessions to have places for, in 1/MICRO; a look asks at its sample, and again for births."""
    load = counted_on(load)
    return mean(load, target_wait_ns) + headroom_ppm * root(variance(load)) // PPM


def called_for(load: Load, limits: Limits) -> int:
    """Return how many workers the load alone calls for."""
    if not limits.max_sessions:
        return ceil_div(load.busy * 10, 7 * MICRO) + min(load.queue, 1)
    return ceil_div(places_for(load, limits.target_wait_ns, limits.headroom_ppm), limits.max_sessions * MICRO)


def need(load: Load, limits: Limits, census: Census) -> int:
    """Return how many accepting workers are needed, somebody where anybody waits; what is over max_workers is told."""
    cap = limits.max_sessions
    held = ceil_div(census.open_sessions, cap) if cap else census.open - census.places
    queued = ceil_div(load.queue, cap) if cap else min(load.queue, 1)
    least = held + limits.min_spare if limits.min_spare else 0
    within = min(max(called_for(load, limits), least), held + queued + limits.max_spare)
    return max(limits.min_workers, min(load.queue, 1), within)


def observe(memory: Memory, view: PoolView, limits: Limits, census: Census, now: int) -> Memory:
    """Take a sample when one is due; estimates of a pool that doesn't follow its load are none."""
    before = memory.demand
    if limits.sizing != "demand":
        return memory._replace(demand=es.Estimates()) if before.sampled_at is not None else memory
    if not es.is_due(before, view, limits, now):
        return memory
    learnt = es.learn(before, view, now)
    load = load_of(view, limits, census, learnt)
    needed = max(need(that_came(load), limits, census), 0 if memory.started else limits.start_workers)
    possible = min(needed, limits.max_workers)
    return memory._replace(demand=es.remember(before, learnt, possible, _demanded(load, limits), limits))


def kept(learnt: Estimates, needed: int, limits: Limits) -> int:
    """Return how many accepting workers are not too many."""
    return min(limits.max_workers, max(needed, es.largest_need(learnt), es.usual_demand(learnt, limits)))


def surplus(learnt: Estimates, needed: int, limits: Limits, census: Census) -> int:
    """Return how many accepting workers are too many; what was usual is asked last, for it is most of the work."""
    if census.open <= min(limits.max_workers, max(needed, es.largest_need(learnt))):
        return 0
    return max(0, census.open - kept(learnt, needed, limits))


def growth(census: Census) -> int:
    """Return how many may be born now: those that accept double in the time of a boot, and four may always boot.

    Who boots counts as ordered, not as somebody to double: a plan performed then orders no more at the same instant. A
    mold makes one worker at a time: what waits for its turn comes no sooner for being ordered now, and may prove to be
    too many. When it has made one, it says so, and the next is ordered.
    """
    doubled = max(FEWEST_AT_ONCE, census.open - census.booting) - census.booting
    return max(0, min(doubled, MOLD_AHEAD - census.unborn))


def may_shrink(learnt: Estimates, limits: Limits, census: Census) -> bool:
    """Tell whether more serve than were needed, and the last growth and shrink are long enough ago, at the sample."""
    if census.open - census.booting <= min(limits.max_workers, es.largest_need(learnt)):
        return False
    last = [at for at in (learnt.grew_at, learnt.shrank_at) if at is not None]
    return not last or (learnt.sampled_at or 0) - max(last) >= PAUSE_BETWEEN_NS


def next_sample_at(learnt: Estimates, view: PoolView, limits: Limits, census: Census) -> int | None:
    """Return when to look again; None: nobody is there or waits, nobody came lately, and nobody is too many."""
    quiet = not (learnt.rate or census.sessions or census.n < len(census.members) or (view.queue or 0) > 0)
    if learnt.sampled_at is None or (quiet and census.open <= limits.min_workers):
        return None
    return learnt.sampled_at + es.interval_ns(learnt, view, limits)


def why_born(load: Load, needed: int, limits: Limits, census: Census) -> Because:
    """Return the figures that lead to the need."""
    if not limits.max_sessions:
        busy = census.open - census.places
        return because(
            Reason.DEMAND,
            need=needed,
            open=census.open,
            busy_workers=busy,
            busy_micro=load.busy,
            queue=load.queue,
        )
    return because(
        Reason.DEMAND,
        need=needed,
        open=census.open,
        sessions=load.sessions,
        shut=load.shut,
        queue=load.queue,
        arrivals_micro=load.rate,
        session_ns=load.tau_ns,
        ahead_ns=load.ahead_ns,
    )


def why_gone(learnt: Estimates, needed: int, limits: Limits, census: Census) -> Because:
    """Return the figures that lead to a surplus."""
    return because(
        Reason.SURPLUS,
        open=census.open,
        keep=kept(learnt, needed, limits),
        need=needed,
        largest_need=es.largest_need(learnt),
        usual=es.usual_demand(learnt, limits),
        max_workers=limits.max_workers,
    )


def _steady(load: Load) -> int:
    """Return how many arrivals a second, in 1/MICRO, keep as many as are there."""
    return (load.sessions + load.queue) * MICRO * NS // load.tau_ns


def _demanded(load: Load, limits: Limits) -> int:
    """Return workers' worth of what is there and what waits, now."""
    if not limits.max_sessions:
        return min(limits.max_workers, called_for(load, limits))
    return min(limits.max_workers, ceil_div(max(0, load.sessions - load.shut) + load.queue, limits.max_sessions))
