"""What demand sizing has learnt of the load: rates and windows, moved on at samples and standing still between them.

Theory. Totals of the view (arrivals, completions, session time, busy time) only grow; what they grew by since the last
sample moves the estimates. A sample is taken when arrivals or completions moved, and else once a second, or each
`target_wait` while somebody waits: so between two samples no verdict about the load can change, an extra look learns
nothing, and the instant of the next sample is known. All are integers: rates and counts in 1/MICRO, times in ns.

The mean session time is Little's law, session time over completions, both with a half-life of 30 s; it begins at
0.1 s / 0.5. Past needs are a monotone deque: the first entry is the largest of the window. Past demand is a histogram
in ten slots of `hold`, in which an arrival weighs as much as a second: so a burst that comes by the clock is kept for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.fixed import BITS, MICRO, ONE, ceil_div, decay
from prefork.policy.limits import PPM
from prefork.policy.units import NS

if TYPE_CHECKING:
    from prefork.policy.limits import Limits
    from prefork.policy.model import PoolView

SAMPLE_NS = NS
"""The time between two samples while there is something to learn, and nobody waits."""
RATE_NS = NS
"""Arrivals and busy time are smoothed over this."""
_LIFE_NS = 43_280_851_227
"""Of session time and completions: a half-life of 30 s is 30 s / ln 2."""
_SLOTS = 10

Slot = tuple[int, tuple[tuple[int, int], ...]]
"""Since when, and the weight of each demand (in workers) that was seen since."""


class Estimates(NamedTuple):
    """Of the load; the empty ones know nothing."""

    sampled_at: int | None = None
    arrived: int = 0
    """Sessions accepted and connections queued, as the last sample saw them."""
    completed: int = 0
    held_ns: int = 0
    busy_ns: int = 0
    demand: int = 0
    """Workers' worth of sessions and queue, at the last sample."""
    rate: int = 0
    """Arrivals a second, in 1/MICRO."""
    session_ns: int = 0
    ended: int = 0
    """Completions, in 1/MICRO."""
    busy: int = 0
    """Loops that are busy, in 1/MICRO."""
    needs: tuple[tuple[int, int], ...] = ()
    """(at, need): the instants rise, the needs fall."""
    slots: tuple[Slot, ...] = ()
    grew_at: int | None = None
    """When load last called for a birth or a resume."""
    shrank_at: int | None = None
    """When a surplus was last told to go."""

    @property
    def tau_ns(self) -> int:
        """The mean session time; at least 1 ns."""
        return max(1, (self.session_ns + NS // 10) * MICRO // (self.ended + MICRO // 2))


def is_due(estimates: Estimates, view: PoolView, limits: Limits, now: int) -> bool:
    """Tell whether this look is a sample."""
    since = estimates.sampled_at
    moved = _arrived(view) > estimates.arrived or view.completions > estimates.completed
    return since is None or moved or now >= since + interval_ns(estimates, view, limits)


def interval_ns(learnt: Estimates, view: PoolView, limits: Limits) -> int:
    """Return the time between two samples: shorter while somebody waits who may wait for what is learnt."""
    waits = (view.queue or 0) > 0 and largest_need(learnt) < limits.max_workers
    return min(SAMPLE_NS, limits.target_wait_ns) if waits else SAMPLE_NS


def learn(estimates: Estimates, view: PoolView, now: int) -> Estimates:
    """Take what the totals grew by; the first sample only sees where they stand."""
    since = estimates.sampled_at
    arrived, completed = max(_arrived(view), estimates.arrived), max(view.completions, estimates.completed)
    held, busy = max(view.held_ns, estimates.held_ns), max(view.busy_ns, estimates.busy_ns)
    if since is None:
        return estimates._replace(sampled_at=now, arrived=arrived, completed=completed, held_ns=held, busy_ns=busy)
    elapsed = now - since
    rate, life = decay(elapsed, RATE_NS), decay(elapsed, _LIFE_NS)
    loops = (busy - estimates.busy_ns) * MICRO // max(1, elapsed)
    return estimates._replace(
        sampled_at=now,
        arrived=arrived,
        completed=completed,
        held_ns=held,
        busy_ns=busy if elapsed else estimates.busy_ns,  # busy time of no time at all is left for the next sample
        busy=(estimates.busy * rate + loops * (ONE - rate)) >> BITS,
        rate=(estimates.rate * rate >> BITS) + (arrived - estimates.arrived) * MICRO * NS // RATE_NS,
        session_ns=(estimates.session_ns * life >> BITS) + _lived(held - estimates.held_ns, elapsed, life),
        ended=(estimates.ended * life >> BITS) + (completed - estimates.completed) * MICRO,
    )


def remember(before: Estimates, learnt: Estimates, need: int, demand: int, limits: Limits) -> Estimates:
    """Put a sample's need and demand into the windows; `before`: as they were at the last sample."""
    now = learnt.sampled_at or 0
    window = max(limits.hold_ns, learnt.tau_ns)
    needs = [entry for entry in learnt.needs if entry[0] > now - window and entry[1] > need]
    slots = _open_slot(learnt.slots, now, limits.hold_ns)
    if before.sampled_at is not None:
        stood, came = min(now - before.sampled_at, limits.hold_ns), (learnt.arrived - before.arrived) * NS
        slots = _weigh(slots, ((before.demand, stood), (demand, came)))
    return learnt._replace(needs=(*needs, (now, need)), slots=slots, demand=demand)


def largest_need(estimates: Estimates) -> int:
    """Return the largest need of the window, as of the last sample."""
    return estimates.needs[0][1] if estimates.needs else 0


def usual_demand(estimates: Estimates, limits: Limits) -> int:
    """Return how many workers were enough for all but a share `saturation` of the weight of past demand."""
    weights: dict[int, int] = {}
    for _, slot in estimates.slots:
        for demand, weight in slot:
            weights[demand] = weights.get(demand, 0) + weight
    enough = ceil_div(sum(weights.values()) * (PPM - limits.saturation_ppm), PPM)
    for demand in sorted(weights):
        enough -= weights[demand]
        if enough <= 0:
            return demand
    return 0


def _arrived(view: PoolView) -> int:
    return view.arrivals + max(0, view.queue or 0)


def _lived(held_ns: int, elapsed: int, life: int) -> int:
    """Return what is left of session time that was spent evenly over `elapsed`; of a short time by its series."""
    if elapsed <= SAMPLE_NS:
        return held_ns - held_ns * elapsed // (2 * _LIFE_NS)
    return held_ns * (ONE - life) * _LIFE_NS // (elapsed << BITS)


def _open_slot(slots: tuple[Slot, ...], now: int, hold_ns: int) -> tuple[Slot, ...]:
    """Forget slots older than `hold`, and begin another when the last has lasted for a tenth of it."""
    if slots and slots[0][0] <= now - hold_ns:
        slots = tuple([slot for slot in slots if slot[0] > now - hold_ns])
    if slots and now - slots[-1][0] < max(1, hold_ns // _SLOTS):
        return slots
    return (*slots, (now, ()))


def _weigh(slots: tuple[Slot, ...], seen: tuple[tuple[int, int], ...]) -> tuple[Slot, ...]:
    """Add the weight of each demand that was seen to the last slot."""
    at, last = slots[-1]
    weights = dict(last)
    for demand, weight in seen:
        if weight > 0:
            weights[demand] = weights.get(demand, 0) + weight
    if len(weights) == len(last):
        return (*slots[:-1], (at, tuple(weights.items())))
    return (*slots[:-1], (at, tuple(sorted(weights.items()))))
