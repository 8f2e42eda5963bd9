"""Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) with its default behaviour, on how busy the places are.

Its metric here has no delay: real ones are 15 s old and more. Source: the reference of HorizontalPodAutoscaler v2, and
pkg/controller/podautoscaler: a pod that isn't ready counts as one with no load when the pool would grow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.units import nanoseconds
from prefork.simulation.peers.frame import Peer, Seen, Wish

if TYPE_CHECKING:
    from prefork.policy.model import WorkerView


class Advice(NamedTuple):
    """Recommendations (at, replicas) of the window, oldest first; session time at the last tick, and its instant."""

    given: tuple[tuple[int, int], ...]
    held_ns: int
    at: int


@dataclass(frozen=True)
class KubernetesHpa(Peer[Advice]):
    """A pod is a worker; victims are the newest, busy or not, and drain."""

    tick: float = 15.0
    target: float = 0.8
    """Utilization: the default where no metric is named is 80 % of the CPU."""
    tolerance: float = 0.1
    min_replicas: int = 1
    window: float = 300.0
    """Seconds for which the largest recommendation holds against a smaller one."""
    most_percent: int = 100
    most_pods: int = 4
    """Growth in one tick: the larger of the two."""
    needs_places = True

    def begin(self, seen: Seen) -> Wish[Advice]:
        """Start min_replicas."""
        return Wish(Advice((), seen.held_ns, seen.now), self.min_replicas)

    def on_tick(self, seen: Seen, own: Advice) -> Wish[Advice]:
        """Recommend, and keep to the window and the limits."""
        used = (seen.held_ns - own.held_ns) / (seen.places * max(1, seen.now - own.at))
        wanted = max(self.min_replicas, min(self._recommended(seen, used), seen.most))
        given = tuple(one for one in own.given if one[0] > seen.now - nanoseconds(self.window))
        own = Advice((*given, (seen.now, wanted)), seen.held_ns, seen.now)
        if wanted > seen.n:
            limit = max(seen.n + self.most_pods, seen.n * (100 + self.most_percent) // 100)
            return Wish(own, min(wanted, limit) - seen.n)
        surplus = seen.n - max(replicas for _, replicas in own.given)
        return Wish(own, ends=newest(seen, surplus))

    def _recommended(self, seen: Seen, used: float) -> int:
        """Return replicas for so many workers' worth of busy places."""
        ready = seen.n - seen.booting
        if not ready:
            return seen.n
        ratio = used / ready / self.target
        if seen.booting and ratio > 1:
            ratio = max(1.0, used / seen.n / self.target)
        return seen.n if abs(ratio - 1) <= self.tolerance else math.ceil(round(ratio * seen.n, 9))


def newest(seen: Seen, surplus: int) -> tuple[WorkerView, ...]:
    """Return so many of the newest, booting ones first."""
    return tuple(seen.workers[::-1][: max(0, surplus)])
