"""Every pool that a few events can lead to: a search over states, each look shown to the invariants.

Theory. A node is a world just before a look. The search is exhaustive: of a pool, it looks at all that can come of at
most `depth` of the events of `events.py`, with a look after each, but for three things that it leaves out because they
show nothing new:

- of worlds that share a canonical form (`canon.py`) it looks at one. They get the same decisions whatever happens to
  them; `alike.py` searches without this and compares;
- of worlds that are alike after their look it judges one by the invariants of what a look leaves (`every.py`), which
  ask nothing else, and goes on from one;
- a form is known by 60 bits (`forms.py`).

What workers have been told is in no form: phases, deadlines and steps tell it. The way to a node is kept, to be told
when an invariant fails there. The last two levels, which are nearly all, are shared out among `cores` processes; what
they have met they share. A leaf is looked at where it is met, so that no list of leaves is held.
"""

from __future__ import annotations

import multiprocessing
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.property.canon import DEEPEST, form
from tests.property.every import OF_WHAT_IS_LEFT
from tests.property.forms import Forms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection

    from tests.property.events import Event
    from tests.property.world import World

SHARED_OUT = 2
"""Levels to go when a search is shared out."""

Way = tuple[Any, ...]
"""Nested pairs: the way before, and the name of the last event."""
Node = tuple["World", Way]


class Found(NamedTuple):
    """How much a search has seen."""

    nodes: int
    """Worlds that were looked at."""
    rests: int
    """Worlds after a look; of those that are alike, one."""
    steps: int
    """Events that happened."""

    def __add__(self, other: tuple[int, ...]) -> Found:  # type: ignore[override]
        return Found(*map(sum, zip(self, other, strict=True)))


def search(
    starts: Iterable[World],
    depth: int,
    events: Callable[[World], Iterable[Event]],
    *,
    forms: Forms | None = None,
    cores: int = 1,
) -> Found:
    """Look at every world to which at most `depth` events (1 to DEEPEST) lead, in so many processes.

    Raises AssertionError, with the way to the fault.
    """
    assert 1 <= depth <= DEEPEST
    one = _Search(events, Forms() if forms is None else forms)
    frontier: list[Node] = [(world, ()) for world in starts if one.forms.claim(form(world, looked=False), depth)]
    for left in range(depth, 0, -1):
        if cores > 1 and left == SHARED_OUT:
            return one.found + _share_out(one, frontier, cores)
        frontier = one.level(frontier, left)
    return one.found


class _Search:
    """What one process does of it."""

    def __init__(self, events: Callable[[World], Iterable[Event]], forms: Forms) -> None:
        self.events = events
        self.forms = forms
        self.found = Found(0, 0, 0)

    def level(self, frontier: Iterable[Node], left: int) -> list[Node]:
        """Look at each; return whom one event more leads to, but for leaves, which are looked at here."""
        following: list[Node] = []
        for node in frontier:
            if self._look(*node, left):
                for after in self._after(*node, left - 1):
                    if left > 1:
                        following.append(after)
                    else:
                        self._look(*after, 0)
        return following

    def _look(self, world: World, way: Way, left: int) -> bool:
        """Judge the look, and what it leaves unless that is known; tell whether the search goes on from here."""
        try:
            seen = world.observe()
            for check in world.checks:
                if check not in OF_WHAT_IS_LEFT:
                    check(seen)
            self.found += (1, 0, 0)
            if not self.forms.claim(form(world, looked=True), left):
                return False
            for check in world.checks:
                if check in OF_WHAT_IS_LEFT:
                    check(seen)
        except AssertionError as error:
            error.add_note(f"after: {', '.join(_names(way))}")
            raise
        self.found += (0, 1, 0)
        return True

    def _after(self, world: World, way: Way, left: int) -> Iterator[Node]:
        """Those that nobody has met yet."""
        for event in self.events(world):
            self.found += (0, 0, 1)
            after = world.copy()
            event.happens(after)
            if self.forms.claim(form(after, looked=False), left):
                yield after, (way, event.name)


def _share_out(one: _Search, frontier: list[Node], cores: int) -> Found:
    """Search the last levels, each process from every so many-th of the frontier; what it found before counts once."""
    context = multiprocessing.get_context("fork")
    one.found, one.forms.room = Found(0, 0, 0), one.forms.room // cores
    parts = []
    for place in range(cores):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_part, args=(one, frontier[place::cores], theirs))
        process.start()
        theirs.close()
        parts.append((ours, process))
    found = Found(0, 0, 0)
    faults = []
    for ours, process in parts:
        told: Found | str = ours.recv()
        process.join()
        if isinstance(told, str):
            faults.append(told)
        else:
            found += told
    if faults:
        raise AssertionError(faults[0])
    return found


def _part(one: _Search, frontier: list[Node], to: Connection) -> None:
    try:
        for left in range(SHARED_OUT, 0, -1):
            frontier = one.level(frontier, left)
        to.send(one.found)
    except AssertionError as error:
        to.send("".join(traceback.format_exception(error)))


def _names(way: Way) -> list[str]:
    names = []
    while way:
        way, name = way
        names.append(name)
    return names[::-1]
