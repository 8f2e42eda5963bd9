"""What happened to a worker, or at an instant, out of a journal: events in the order in which they came.

Theory. A worker's story is every decision about it, what was withheld at those looks, and what came of it: when it was
ready, how it ended, its last stacks. The story of an instant is the last look up to then that decided something, and
how the pool was. One pass over the entries tells either; nothing is held but the story.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefork.journal.entries import Key, Look, Note
from prefork.journal.words import words_of
from prefork.policy.config import PoolConfig
from prefork.policy.limits import explain
from prefork.policy.model import Drain, Kill, Phase, Retire, Spawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prefork.journal.entries import Entry
    from prefork.policy.model import Because, Decision, PoolView, WorkerId

_DONE = {
    "spawn": "born",
    "pause": "paused by the policy",
    "resume": "resumed by the policy",
    "retire": "told to retire",
    "drain": "told to drain",
    "kill": "killed",
    "start_mold": "a mold is started",
    "end_mold": "a mold is ended",
    "give_up": "the pool gives up",
}


@dataclass(frozen=True)
class Setting:
    """One setting behind a threshold."""

    name: str
    value: str
    """As it is in force."""
    origin: str
    """Who said it: a file, a variable, a flag, another setting that it follows; `default`."""


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    unix_ns: int
    worker: int | None
    what: str
    """`born`, `told to drain`, `ready`, `ended`, `withheld` …"""
    reason: str = ""
    """Of the closed set; empty: nobody decided it."""
    rule: str = ""
    text: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    detail: str = ""
    """Several lines: stacks, frames."""


class Storyteller:
    """Turns entries into events, one pass; it knows the settings that were in force."""

    def __init__(self) -> None:
        self.dropped = 0
        """Entries that are missing so far."""
        self.last: PoolView | None = None
        self._key: Key | None = None
        self._births: list[Event] = []
        """Told, and without a number yet: the notes bring those."""
        self._phases: dict[WorkerId, Phase] = {}
        self._ordered: set[WorkerId] = set()
        """Who was told to end, and has not ended."""
        self._settings: dict[str, Setting] = {}

    def tell(self, entries: Iterable[Entry]) -> Iterator[Event]:
        """Every event, oldest first."""
        for entry in entries:
            match entry:
                case Key():
                    if self._key is None or (entry.config, entry.origins) != (self._key.config, self._key.origins):
                        self._settings = settings_of(entry.config, entry.origins)
                    self._key = entry
                    self.dropped += entry.dropped
                case Look():
                    yield from self._look(entry)
                case Note():
                    yield from self._note(entry)

    def unix(self, now: int) -> int:
        """The wall clock at a monotonic instant."""
        return now if self._key is None else now + self._key.unix_ns - self._key.now

    def _look(self, look: Look) -> Iterator[Event]:
        yield from self._births
        self._births = []
        yield from self._became_ready(look.view)
        self.last = look.view
        for decision in look.decisions:
            event = self._decided(decision, look.view.now)
            if isinstance(decision, Retire | Drain | Kill):
                self._ordered.add(decision.worker)
            if isinstance(decision, Spawn):
                self._births.append(event)
            else:
                yield event
        if look.decisions:
            for each in look.withheld:
                text = f"{each.count} more of {each.want} were wanted"
                yield self._event(look.view.now, None, "withheld", each.because, text)

    def _became_ready(self, view: PoolView) -> Iterator[Event]:
        phases = {worker.id: worker.phase for worker in view.workers}
        for worker in view.workers:
            if worker.ready_at is not None and self._phases.get(worker.id) is Phase.BOOTING:
                took = (worker.ready_at - worker.forked_at) / 1e6
                yield Event(self.unix(worker.ready_at), worker.id, "ready", text=f"{took:.1f} ms after its birth")
        self._phases = phases

    def _decided(self, decision: Decision, now: int) -> Event:
        worker = getattr(decision, "worker", None)
        what = _DONE[decision.kind]
        if decision.kind == "kill":
            what = f"killed ({decision.step})"
        elif decision.kind == "spawn" and decision.replaces is not None:
            what = f"born for {decision.replaces}"
        return self._event(now, worker, what, decision.because)

    def _event(self, now: int, worker: int | None, what: str, because: Because, text: str = "") -> Event:
        return event_of(because, self._settings, unix_ns=self.unix(now), worker=worker, what=what, text=text)

    def _note(self, note: Note) -> Iterator[Event]:
        if note.what == "spawned":
            if self._births:
                born = self._births.pop(0)
                yield Event(**(born.__dict__ | {"worker": note.worker}))
            return
        what, text = ("told by the operator" if note.what == "told" else note.what), note.text
        if note.worker is not None and what == "ended":
            text += "" if note.worker in self._ordered else "; nobody had ordered it"
            self._ordered.discard(note.worker)
        yield Event(self.unix(note.at), note.worker, what, text=text, detail=note.detail)


def event_of(  # noqa: PLR0913 - what an event consists of
    because: Because,
    settings: Mapping[str, Setting],
    *,
    unix_ns: int,
    worker: int | None,
    what: str,
    text: str = "",
) -> Event:
    """A decision in words, with those of the settings that are behind it; `what` may be a decision's kind."""
    words = words_of(because)
    return Event(
        unix_ns,
        worker,
        _DONE.get(what, what),
        str(because.reason),
        words.rule,
        f"{text}: {words.sentence}" if text else words.sentence,
        dict(because.figures),
        tuple(settings[name] for name in words.settings if name in settings),
    )


def settings_of(pool: dict[str, Any], origins: Mapping[str, str]) -> dict[str, Setting]:
    """Every setting of a [pool] table, which is given as JSON, by its dotted name."""
    found = {}
    for row in explain(PoolConfig.model_validate(pool)):
        name = f"pool.{row.field}"
        found[name] = Setting(name, row.value, f"from {row.origin}" if row.origin else origins.get(name, "default"))
    return found
