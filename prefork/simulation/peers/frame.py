"""What all peers share: the pool as they see it, how they say what they want, and a decide() made of both.

Theory. A peer is a pure policy with decide()'s signature and a memory of its own: any other memory is where its life
begins. It sees the same pool as prefork at the same looks, which `notice` judges; what the peer does by a clock is in
`tick`, which looks in between don't change. max_workers and max_sessions are the config's; nothing else of it is read,
but for min_workers where a peer has such a bound and no default for it. A mold is started first, as prefork does.

Kind to the peers where they have no word of their own: with more than one place a worker, `idle` counts workers' worth
of free places, as prefork's `spare` sizing does; who must go and holds sessions drains with no deadline, so none is
lost; a worker that became busy meanwhile declines to retire; a loop that would have to be polled isn't.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from prefork.policy.draft import because
from prefork.policy.model import Drain, Phase, Reason, Retire, Spawn, StartMold
from prefork.policy.units import nanoseconds
from prefork.simulation.durations import NEVER

if TYPE_CHECKING:
    from prefork.policy.config import PoolConfig
    from prefork.policy.model import Decision, PoolView, WorkerView

Own = TypeVar("Own")
"""A peer's memory; immutable."""


class Seen(NamedTuple):
    """The pool as a peer sees it. Totals never fall."""

    now: int
    workers: tuple[WorkerView, ...]
    """Who boots or serves and was not told to go, oldest first."""
    live: int
    """Those who are going included."""
    queue: int
    came: int
    """Connections so far, waiting ones included."""
    held_ns: int
    """Session time so far."""
    places: int
    """Sessions that a worker may hold; 0: no limit."""
    least: int
    """The config's min_workers."""
    most: int
    """The config's max_workers."""

    @property
    def n(self) -> int:
        """Who boots or serves."""
        return len(self.workers)

    @property
    def booting(self) -> int:
        """Who boots."""
        return sum(worker.phase is Phase.BOOTING for worker in self.workers)

    @property
    def idle(self) -> int:
        """Serving workers without a session; where a worker has several places, workers' worth of free ones."""
        serving = [worker for worker in self.workers if worker.phase is Phase.SERVING]
        if self.places:
            return sum(self.places - worker.sessions for worker in serving) // self.places
        return sum(not worker.sessions for worker in serving)

    def candidates(self) -> list[WorkerView]:
        """Who serves and may be told to go, the oldest idle ones first.

        Only idle ones where a worker holds one session; else those that hold fewest after them.
        """
        serving = [worker for worker in self.workers if worker.phase is Phase.SERVING]
        if self.places <= 1:
            return [worker for worker in serving if not worker.sessions]
        return sorted(serving, key=_sessions)


class Wish(NamedTuple, Generic[Own]):
    """What a peer wants now, and remembers."""

    memory: Own
    births: int = 0
    """Clamped to max_workers, unless the peer knows no clamp."""
    ends: tuple[WorkerView, ...] = ()
    wake: int | None = None
    """When it wants to look again; the clock wakes it besides."""


class Course(NamedTuple, Generic[Own]):
    """The memory that goes through the simulator: the peer's own, and when its clock ticks next."""

    own: Own
    tick_at: int


class PeerPlan(NamedTuple):
    """What a look comes to, as of decide()."""

    decisions: tuple[Decision, ...]
    next_check_at: int | None
    memory: object


class Peer(ABC, Generic[Own]):
    """A policy; its parameters are the fields of the frozen dataclass that each peer is."""

    tick: float
    """Seconds between two looks of its clock."""
    clamps = True
    """Whether births stop at max_workers."""
    needs_places = False
    """Whether it can't judge a worker whose sessions have no limit."""

    @abstractmethod
    def begin(self, seen: Seen) -> Wish[Own]:
        """Start: births, and the first memory."""

    def on_look(self, seen: Seen, own: Own) -> Wish[Own]:  # noqa: ARG002 - by default nothing happens
        """Judge the pool at a look, whatever it is for."""
        return Wish(own)

    def on_tick(self, seen: Seen, own: Own) -> Wish[Own]:  # noqa: ARG002 - by default nothing happens
        """Judge the pool by the clock."""
        return Wish(own)

    @classmethod
    def ticks_only(cls) -> bool:
        """Tell whether looks between two ticks are all the same to it."""
        return cls.on_look is Peer.on_look

    def __call__(self, config: PoolConfig, view: PoolView, memory: object) -> PeerPlan:
        """Return what to do now, and when to look again: decide()."""
        if not view.generation:
            start = () if view.molds else (StartMold(1, because(Reason.FIRST_MOLD)),)
            return PeerPlan(start, None, memory)
        if isinstance(memory, Course) and view.now < memory.tick_at and self.ticks_only():
            return PeerPlan((), memory.tick_at, memory)
        seen, beat = see(config, view), nanoseconds(self.tick)
        if not isinstance(memory, Course):
            begun = self.begin(seen)
            return self._plan(view, seen, begun, (Course(begun.memory, view.now + beat), Reason.START))
        looked = self.on_look(seen, memory.own)
        if view.now < memory.tick_at:
            return self._plan(view, seen, looked, (memory._replace(own=looked.memory), Reason.DEMAND))
        ticked = self.on_tick(seen, looked.memory)
        both = Wish(ticked.memory, looked.births + ticked.births, looked.ends + ticked.ends, _first(looked, ticked))
        late = (view.now - memory.tick_at) // beat + 1
        return self._plan(view, seen, both, (Course(both.memory, memory.tick_at + late * beat), Reason.DEMAND))

    def _plan(self, view: PoolView, seen: Seen, wish: Wish[Own], course: tuple[Course[Own], Reason]) -> PeerPlan:
        memory, reason = course
        births = max(0, min(wish.births, seen.most - seen.live) if self.clamps else wish.births)
        spawns = [Spawn(view.generation, because(reason, n=seen.n)) for _ in range(births)]
        why = because(Reason.SURPLUS, n=seen.n)
        ends = [Drain(one.id, NEVER, why) if one.sessions else Retire(one.id, why) for one in wish.ends]
        wake = memory.tick_at if wish.wake is None else min(wish.wake, memory.tick_at)
        return PeerPlan((*ends, *spawns), wake, memory)


def see(config: PoolConfig, view: PoolView) -> Seen:
    """Return what a peer sees of a view."""
    staying = [one for one in view.workers if one.phase in (Phase.BOOTING, Phase.SERVING) and one.retiring_at is None]
    queue = view.queue or 0
    return Seen(
        view.now,
        tuple(sorted(staying, key=_age)),
        len(view.workers),
        queue,
        view.arrivals + queue,
        view.held_ns,
        config.max_sessions,
        config.min_workers,
        config.max_workers,
    )


def idle_for(seen: Seen, limit: float) -> tuple[tuple[WorkerView, ...], int | None]:
    """Return who has held no session for `limit` (s), oldest first, and when the next may have; None: nobody serves."""
    limit_ns, due, soonest = nanoseconds(limit), [], None
    for worker in seen.workers:
        if worker.phase is not Phase.SERVING:
            continue
        at = limit_ns + (seen.now if worker.idle_since is None else worker.idle_since)
        if at <= seen.now:
            due.append(worker)
        else:
            soonest = at if soonest is None else min(soonest, at)
    return tuple(due), soonest


def _first(one: Wish[Own], other: Wish[Own]) -> int | None:
    return min((wish.wake for wish in (one, other) if wish.wake is not None), default=None)


def _sessions(worker: WorkerView) -> int:
    return worker.sessions


def _age(worker: WorkerView) -> tuple[int, int]:
    return worker.forked_at, worker.id
