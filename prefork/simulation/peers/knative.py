"""Knative's pod autoscaler (KPA): concurrency over a minute, and over six seconds when it panics.

Source: pkg/autoscaler/scaling/autoscaler.go and config-autoscaler of knative/serving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from prefork.policy.units import nanoseconds
from prefork.simulation.peers.frame import Peer, Seen, Wish
from prefork.simulation.peers.kubernetes import newest


class Observed(NamedTuple):
    """Concurrency (at, sessions and queue) of the ticks of the window; the last tick; panic."""

    ticks: tuple[tuple[int, float], ...]
    held_ns: int
    at: int
    panic_at: int | None = None
    panic_pods: int = 0


@dataclass(frozen=True)
class KnativeKpa(Peer[Observed]):
    """A pod is a worker; victims are the newest, and drain. With no pod, the activator asks for one at once."""

    tick: float = 2.0
    utilization: float = 0.7
    """Of the places of a pod."""
    window: float = 60.0
    panic_window: float = 6.0
    panic_threshold: float = 2.0
    """Demand over ready pods at which it panics."""
    max_up_rate: float = 1000.0
    max_down_rate: float = 2.0
    initial_scale: int = 1
    min_scale: int = 0
    needs_places = True

    def begin(self, seen: Seen) -> Wish[Observed]:
        """Start initial_scale."""
        return Wish(Observed((), seen.held_ns, seen.now), self.initial_scale)

    def on_look(self, seen: Seen, own: Observed) -> Wish[Observed]:
        """Activate."""
        return Wish(own, 1 if seen.queue and not seen.n else 0)

    def on_tick(self, seen: Seen, own: Observed) -> Wish[Observed]:
        """Compare what is wanted by the stable window, or while it panics the largest so far, with what there is."""
        own = self._observed(seen, own)
        ready = max(1, seen.n - seen.booting)
        stable, soon = self._wanted(seen, own.ticks), self._wanted(seen, own.ticks[-self._panic_ticks() :])
        over = soon.demand / ready >= self.panic_threshold
        if over:
            own = own._replace(panic_at=seen.now)
        elif own.panic_at is not None and own.panic_at + nanoseconds(self.window) < seen.now:
            own = own._replace(panic_at=None, panic_pods=0)
        wanted = stable.pods
        if own.panic_at is not None:
            wanted = max(stable.pods, soon.pods, own.panic_pods)
            own = own._replace(panic_pods=wanted)
        wanted = max(self.min_scale, min(wanted, seen.most))
        activated = 1 if seen.queue and not seen.n else 0
        return Wish(own, max(0, wanted - seen.n - activated), newest(seen, seen.n - wanted))

    def _observed(self, seen: Seen, own: Observed) -> Observed:
        concurrency = (seen.held_ns - own.held_ns) / max(1, seen.now - own.at) + seen.queue
        ticks = tuple(one for one in own.ticks if one[0] > seen.now - nanoseconds(self.window))
        return own._replace(ticks=(*ticks, (seen.now, concurrency)), held_ns=seen.held_ns, at=seen.now)

    def _panic_ticks(self) -> int:
        return max(1, round(self.panic_window / self.tick))

    def _wanted(self, seen: Seen, ticks: tuple[tuple[int, float], ...]) -> _Wanted:
        ready = max(1, seen.n - seen.booting)
        mean = sum(concurrency for _, concurrency in ticks) / len(ticks)
        demand = math.ceil(round(mean / (self.utilization * seen.places), 9))
        least, most = int(ready / self.max_down_rate), math.ceil(self.max_up_rate * ready)
        return _Wanted(demand, min(max(demand, least), most))


class _Wanted(NamedTuple):
    """Pods for the demand, and within the rates."""

    demand: int
    pods: int
