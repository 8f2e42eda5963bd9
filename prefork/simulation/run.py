"""simulate(), and what is known of a run once it is over. Figures in seconds, as in a config; shares from 0 to 1."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefork.policy import engine
from prefork.policy.model import Spawn
from prefork.policy.units import NS
from prefork.simulation.agenda import ORIGIN
from prefork.simulation.durations import as_ns
from prefork.simulation.host import Host
from prefork.simulation.master import Policy
from prefork.simulation.world import World

if TYPE_CHECKING:
    from prefork.policy.config import PoolConfig
    from prefork.policy.model import Reason
    from prefork.simulation.durations import Duration
    from prefork.simulation.master import Decide
    from prefork.simulation.measures import Histogram, Steps
    from prefork.simulation.tally import Decided, Sample
    from prefork.simulation.traffic import Traffic

REFUSED_WAIT_NS = 30 * NS
"""A refused connection counts as one that waited for so long."""


@dataclass(frozen=True)
class Run:
    """One simulated run, from the start of its traffic to its end."""

    seconds: float
    """How long it was."""
    arrivals: int
    served: int
    """Sessions that ended by themselves."""
    refused: int
    """Connections that found the accept queue full, or the pool given up."""
    lost: int
    """Sessions that ended with their worker: killed, crashed, or past the deadline of a drain."""
    holding: int
    """Sessions that were under way at the end."""
    waiting: int
    """Connections that waited at the end."""
    waits: Histogram = field(repr=False)
    """From arrival to accept, of everybody but the refused; whoever waited at the end, until then."""
    workers: Steps = field(repr=False)
    """Worker processes over time, booting and draining ones included; instants in ns since the start."""
    worker_seconds: float
    session_seconds: float
    busy_seconds: float
    """For which loops were busy, of all workers."""
    queue_seconds: float
    decisions: list[Decided] = field(repr=False)
    """Oldest first; of more than 200,000 the first ones."""
    decided: int
    """How many decisions there were."""
    flaps: int
    """Births within 30 s of the end of a worker that was too many, each undoing one."""
    looks: int
    """How often decide() was asked."""
    samples: list[Sample] = field(repr=False)
    """Means of the equal parts of the run, oldest first."""
    settled_at: int | None
    """From when (ns) nothing but chance changed in the traffic; None: never."""
    sized_at: int | None
    """The last decision (ns) that changed the size (a birth for load, who was too many, a pause); None: none."""

    @property
    def mean_workers(self) -> float:
        """Processes, averaged over time."""
        return self.worker_seconds / self.seconds

    @property
    def mean_sessions(self) -> float:
        """Sessions held by all workers, averaged over time."""
        return self.session_seconds / self.seconds

    @property
    def mean_queue(self) -> float:
        """Connections that waited, averaged over time."""
        return self.queue_seconds / self.seconds

    @property
    def mean_wait(self) -> float:
        """Of the connections that weren't refused."""
        return self.waits.total / NS / max(1, self.waits.counted)

    @property
    def p50_wait(self) -> float:
        """Half of the connections waited no longer."""
        return self.wait_quantile(0.5)

    @property
    def p99_wait(self) -> float:
        """All but a hundredth of the connections waited no longer."""
        return self.wait_quantile(0.99)

    def wait_quantile(self, portion: float) -> float:
        """So long waited `portion` of the connections at most, to 0.8 %; a refused one counts as 30 s."""
        if not 0 <= portion <= 1:
            raise ValueError(f"quantile ({portion:g}) is no share: write a number from 0 to 1, such as 0.99")
        if not self.refused:
            return self.waits.quantile(portion) / NS
        return self.waits.with_more(REFUSED_WAIT_NS, self.refused).quantile(portion) / NS

    def share_waiting(self) -> float:
        """Share of the connections that were not accepted at once."""
        return self.share_waiting_over(0)

    def share_waiting_over(self, limit: Duration) -> float:
        """Share of the connections that waited longer, to 0.8 % of the limit; a refused one counts as 30 s."""
        limit_ns = as_ns(limit, "limit")
        slow = self.waits.over(limit_ns) + (self.refused if limit_ns < REFUSED_WAIT_NS else 0)
        return slow / max(1, self.waits.counted + self.refused)

    def slow(self, limit: Duration = "50ms") -> float:
        """The same, at the limit by which policies are compared."""
        return self.share_waiting_over(limit)

    def never_over(self, workers: int) -> bool:
        """Tell whether there never were more processes, booting and draining ones included."""
        return self.workers.most <= workers

    @property
    def settles_after(self) -> float:
        """From the traffic's last change to the last decision that changed the size; 0: none did.

        Raises ValueError for traffic that never comes to rest.
        """
        if self.settled_at is None:
            raise ValueError("settles_within: this traffic never comes to rest; take one such as Step or Flash")
        return 0.0 if self.sized_at is None else max(0, self.sized_at - self.settled_at) / NS

    def settles_within(self, limit: Duration) -> bool:
        """Tell whether the size changed no more, from `limit` after the traffic's last change to the end of the run.

        Raises ValueError where the run can't tell.
        """
        after, limit_ns = self.settles_after, as_ns(limit, "limit")
        if (self.settled_at or 0) + limit_ns >= self.seconds * NS:
            raise ValueError(f"settles_within({limit!r}): the run ends before: lengthen the traffic's `lasts`")
        return after * NS <= limit_ns

    def count(self, reason: Reason) -> int:
        """How many of the kept decisions had this reason."""
        return Counter(each.decision.because.reason for each in self.decisions)[reason]

    def births(self) -> int:
        """How many workers were born by the kept decisions."""
        return sum(isinstance(each.decision, Spawn) for each in self.decisions)


def simulate(
    config: PoolConfig, traffic: Traffic, seed: int = 1, host: Host | None = None, decide: Decide = engine.decide
) -> Run:
    """Play the traffic on a pool of this config; the same arguments give the same run.

    `decide` may be another policy of the same signature, such as `peers.peer("apache", config)`. Raises ValueError for
    traffic or a host that can't be.
    """
    world = World(Policy(config, decide, seed), Host() if host is None else host, seed)
    world.play(traffic)
    return _result(world, traffic)


def _result(world: World, traffic: Traffic) -> Run:
    _, looks, tally, listener, loops = world.scene
    return Run(
        seconds=traffic.lasts_ns / NS,
        holding=tally.sessions.value,
        waiting=len(listener.waiting),
        worker_seconds=tally.live.area / NS,
        session_seconds=tally.sessions.area / NS,
        busy_seconds=loops.busy_ns(ORIGIN + traffic.lasts_ns) / NS,
        queue_seconds=tally.queue.area / NS,
        looks=looks.count,
        settled_at=traffic.settled_at,
        sized_at=None if tally.sized_at is None else tally.sized_at - ORIGIN,
        **{name: getattr(tally, name) for name in _COUNTED},
    )


_COUNTED = (
    "arrivals",
    "decided",
    "decisions",
    "flaps",
    "lost",
    "refused",
    "samples",
    "served",
    "waits",
    "workers",
)
