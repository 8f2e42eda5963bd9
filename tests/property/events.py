"""What can happen to a pool, as named events of a kind, so that a search can choose among them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.model import MoldPhase, Owner, Phase
from prefork.policy.units import NS
from tests.property.world import ALIVE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.policy.config import PoolConfig
    from prefork.policy.model import WorkerView


class Event(NamedTuple):
    """One thing that may happen in this world; `kind` is its name without the worker's."""

    kind: str
    happens: Callable[[World], object]
    worker: int = 0

    @property
    def name(self) -> str:
        """For the way to a node."""
        return f"{self.kind} {self.worker}" if self.worker else self.kind


def all_events(world: World, lowered: PoolConfig) -> Iterator[Event]:
    """Everything; `lowered` is the config that a reload may bring."""
    for one in world.view.workers:
        for kind, happens in _of_worker(one):
            yield Event(kind, happens, one.id)
    yield from _of_time(world)
    yield from _of_operator(world, lowered)
    yield from _of_molds(world)


def only(kinds: str, lowered: PoolConfig) -> Callable[[World], Iterator[Event]]:
    """Return the events of these kinds; `kinds`: separated by commas, empty for all."""
    wanted = {kind.strip() for kind in kinds.split(",")}
    return lambda world: (event for event in all_events(world, lowered) if not kinds or event.kind in wanted)


def _of_worker(one: WorkerView) -> Iterator[tuple[str, Callable[[World], object]]]:
    name = one.id
    match one.phase:
        case Phase.BOOTING:
            if not one.born:
                yield "born", partial(World.set, name=name, born=True)
            yield "ready", partial(World.ready, name=name)
            yield "ready but unheard", partial(World.ready, name=name, heard=False)
            yield "crash", partial(World.end, name=name, code=1)
            yield "not forked", partial(World.end, name=name, code=None, born=False)
        case Phase.SERVING:
            yield from _of_serving(one)
        case _:
            yield "gone", partial(World.end, name=name)


def _of_serving(one: WorkerView) -> Iterator[tuple[str, Callable[[World], object]]]:
    name, sessions = one.id, one.sessions
    if not one.paused_by:
        yield "accept", partial(World.sessions, name=name, count=sessions + 1)
    if sessions:
        yield "close", partial(World.sessions, name=name, count=sessions - 1)
    if one.retiring_at is not None:
        yield "gone", partial(World.end, name=name)
        yield "decline", partial(World.decline, name=name)
    yield "crash", partial(World.end, name=name, code=1)
    yield "segfault", partial(World.end, name=name, code=None, signal=11)
    yield "killed", partial(World.end, name=name, code=None, signal=9)
    if one.drain_wanted is None:
        yield "ask to drain", partial(World.set, name=name, drain_wanted=Owner.APP)
    yield "pause or resume", partial(World.set, name=name, paused_by=one.paused_by ^ {Owner.APP})


def _of_time(world: World) -> Iterator[Event]:
    asked, now = world.memory.next_check_at, world.view.now
    if asked is not None and asked > now:
        yield Event("next look", partial(World.wait, ns=asked - now))
        yield Event("next look and beat", partial(_beat_after, ns=asked - now))
    yield Event("second", partial(World.wait, ns=NS))
    yield Event("second and beat", partial(_beat_after, ns=NS))
    yield Event("freeze", partial(World.wait, ns=50 * NS))


def _beat_after(world: World, ns: int) -> None:
    world.wait(ns)
    world.beat()


def _of_operator(world: World, lowered: PoolConfig) -> Iterator[Event]:
    view = world.view
    for queue in (0, 3, None):
        if queue != view.queue:
            yield Event(f"queue {queue}", partial(World.goal, queue=queue))
    for scale in (None, 1, 3):
        if scale != view.scale:
            yield Event(f"scale {scale}", partial(World.goal, scale=scale))
    yield Event("pause or resume the pool", pause_or_resume)
    if world.config != lowered:
        yield Event("lower max", partial(World.configure, config=lowered))
    if view.stop_at is None:
        yield Event("stop", partial(World.goal, stop_at=view.now, stop_by=view.now + world.limits.drain_timeout_ns))
    elif view.stop_by is None or view.stop_by > view.now:
        yield Event("stop at once", partial(World.goal, stop_at=min(view.stop_at, view.now), stop_by=view.now))


def _of_molds(world: World) -> Iterator[Event]:
    view = world.view
    if not view.reload_wanted:
        yield Event("reload", partial(World.goal, reload_wanted=True))
    if any(mold.phase is MoldPhase.STARTING for mold in view.molds):
        yield Event("mold ready", World.mold_ready)
        yield Event("mold fails", partial(World.mold_ends, phase=MoldPhase.FAILED))
    if any(mold.phase in ALIVE for mold in view.molds):
        yield Event("mold gone", partial(World.mold_ends, phase=MoldPhase.GONE))


def pause_or_resume(world: World) -> None:
    """The whole pool, newcomers included."""
    paused = not world.view.paused
    world.goal(paused=paused)
    for name in world.ids(Phase.SERVING):
        by = world.worker(name).paused_by - {Owner.OPERATOR}
        world.set(name, paused_by=by | {Owner.OPERATOR} if paused else by)
