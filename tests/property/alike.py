"""A search that leaves nothing out: it holds all worlds that share a canonical form to being alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.property.canon import form
from tests.property.counts import UP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prefork.policy.model import Decision, WorkerId
    from tests.property.canon import Form
    from tests.property.events import Event
    from tests.property.world import World


class Alike:
    """What each form has led to so far: what was said and the form after it; the forms after one event more."""

    def __init__(self) -> None:
        self.said: dict[Form, tuple[object, Form]] = {}
        self.leads: dict[Form, frozenset[Form]] = {}
        self.shared = 0
        """How often a world had the form of another."""

    def looks(self, world: World) -> Form:
        """Raise AssertionError if a world of this form said something else, or led to another form."""
        before = form(world, looked=False)
        up = [one.id for one in sorted(world.view.workers) if one.phase in UP]
        places = {one.id: up.index(one.id) if one.id in up else one.phase for one in world.view.workers}
        said = sorted([_what(decision, places, world) for decision in world.look().decisions], key=repr)
        after = form(world, looked=True)
        self._same(self.said, before, (said, after))
        return after

    def goes_on(self, here: Form, following: Iterable[World]) -> None:
        """Raise AssertionError if a world of this form could go elsewhere."""
        self._same(self.leads, here, frozenset([form(world, looked=False) for world in following]))

    def _same(self, known: dict[Form, Any], here: Form, what: object) -> None:
        self.shared += here in known
        assert known.setdefault(here, what) == what, f"{here}: {known[here]}, and now {what}"


def _what(decision: Decision, places: Mapping[WorkerId, object], world: World) -> tuple[Any, ...]:
    """Say it of places and ages; without the figures, since ages beyond a limit may differ."""
    fields = decision._asdict() | {"because": decision.because.reason}
    for name in ("worker", "replaces"):
        if fields.get(name) is not None:
            fields[name] = places[fields[name]]
    for name, origin in (("generation", world.view.generation), ("by", world.view.now)):
        if name in fields:
            fields[name] -= origin
    return tuple(fields.items())


def unreduced(start: World, depth: int, events: Callable[[World], Iterable[Event]], alike: Alike) -> None:
    """Look at all worlds that differ in anything. Raises AssertionError when two of one form aren't alike."""
    frontier, met = [start], set()
    for left in range(depth, -1, -1):
        following = []
        for world in frontier:
            here = alike.looks(world)
            after = [_after(world, event) for event in events(world)] if left else []
            if left:
                alike.goes_on(here, after)
            for one in after:
                exact = (one.view, one.memory, tuple(one.ordered.items()), one.config.max_workers)
                if exact not in met:
                    met.add(exact)
                    following.append(one)
        frontier = following


def _after(world: World, event: Event) -> World:
    after = world.copy()
    event.happens(after)
    return after
