"""What happened to a worker, or at an instant, out of a journal: events in the order in which they came.

Theory. A worker's story is every decision about it, and what came of it: when it was ready, how it ended, its last
stacks. What is withheld is told when it begins, and with each decision. A journal may hold several pools, one after
another, each with workers from 1 on: the seed that a pool drew tells them apart. The story of an instant is the last
decisions up to then, what was withheld since, and what came of them. One pass over the entries tells either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prefork.journal.entries import Key, Look, Note
from prefork.journal.words import words_of
from prefork.policy.config import PoolConfig
from prefork.policy.limits import explain
from prefork.policy.model import Drain, Kill, Retire, Spawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prefork.journal.entries import Entry
    from prefork.policy.model import Because, Decision, PoolView, Reason, Withheld, WorkerId

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


WITHHELD = "withheld"
_OVER = ("ready", "ended", "unborn")
"""What comes of a decision; later things come of later ones."""
_WANTED = {
    "spawn": ("birth", "births"),
    "replace": ("replacement", "replacements"),
    "start_mold": ("mold", "molds"),
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
    pool_ns: int = 0
    """When the pool that it happened in was seen first, as Unix ns: a journal may hold several, one after another."""

    @property
    def decided(self) -> bool:
        """The policy wanted it, and it was done."""
        return bool(self.reason) and self.what != WITHHELD


class Storyteller:
    """Turns entries into events, one pass; it knows the settings that were in force."""

    def __init__(self) -> None:
        self.dropped = 0
        """Entries that are missing so far."""
        self.pool_ns = 0
        """When the pool that was told of last was seen first; 0: none was."""
        self._key: Key | None = None
        self._seed: int | None = None
        self._births: list[Event] = []
        """Told, and without a number yet: the notes bring those."""
        self._ready: set[WorkerId] = set()
        self._ordered: set[WorkerId] = set()
        """Who was told to end, and has not ended."""
        self._withheld: set[tuple[str, Reason]] = set()
        """At the look before."""
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
        if look.view.seed != self._seed:
            self._another_pool(look.view)
        yield from self._became_ready(look.view)
        for decision in look.decisions:
            event = self._decided(decision, look.view.now)
            if isinstance(decision, Retire | Drain | Kill):
                self._ordered.add(decision.worker)
            if isinstance(decision, Spawn):
                self._births.append(event)
            else:
                yield event
        for each in look.withheld:
            if look.decisions or (each.want, each.because.reason) not in self._withheld:
                yield self._event(look.view.now, None, WITHHELD, each.because, _wanted(each))
        self._withheld = {(each.want, each.because.reason) for each in look.withheld}

    def _another_pool(self, view: PoolView) -> None:
        self._seed, self.pool_ns = view.seed, self.unix(view.now)
        self._ready = {worker.id for worker in view.workers if worker.ready_at is not None}
        self._ordered, self._withheld = set(), set()

    def _became_ready(self, view: PoolView) -> Iterator[Event]:
        ready = {worker.id: worker for worker in view.workers if worker.ready_at is not None}
        for worker in ready.values():
            if worker.id not in self._ready and worker.ready_at is not None:
                took = (worker.ready_at - worker.forked_at) / 1e6
                yield self._plain(worker.ready_at, worker.id, "ready", f"{took:.1f} ms after its birth")
        self._ready = {*ready}

    def _decided(self, decision: Decision, now: int) -> Event:
        worker = getattr(decision, "worker", None)
        what = _DONE[decision.kind]
        if decision.kind == "kill":
            what = f"killed ({decision.step})"
        elif decision.kind == "spawn" and decision.replaces is not None:
            what = f"born for {decision.replaces}"
        return self._event(now, worker, what, decision.because)

    def _event(self, now: int, worker: int | None, what: str, because: Because, text: str = "") -> Event:
        event = event_of(because, self._settings, unix_ns=self.unix(now), worker=worker, what=what, text=text)
        return replace(event, pool_ns=self.pool_ns)

    def _plain(self, now: int, worker: int | None, what: str, text: str, detail: str = "") -> Event:
        """What nobody decided."""
        return Event(self.unix(now), worker, what, text=text, detail=detail, pool_ns=self.pool_ns)

    def _note(self, note: Note) -> Iterator[Event]:
        if note.what == "spawned":
            if self._births:
                born = self._births.pop(0)
                yield replace(born, worker=note.worker)
            return
        what, text = ("told by the operator" if note.what == "told" else note.what), note.text
        if note.worker is not None and what == "ended":
            text += "" if note.worker in self._ordered else "; nobody had ordered it"
            self._ordered.discard(note.worker)
        yield self._plain(note.at, note.worker, what, text, note.detail)


def _wanted(held: Withheld) -> str:
    """`2 more births were wanted`."""
    one, many = _WANTED[held.want]
    return f"1 more {one} was wanted" if held.count == 1 else f"{held.count} more {many} were wanted"


def last_of(events: Iterable[Event], until: int | None) -> list[Event]:
    """The last decisions (up to that Unix instant), what was withheld then and since, and what came of them."""
    last = _Last()
    for each in events:
        if until is None or each.unix_ns <= until:
            last.take(each)
        elif not last.what_came(each):
            break
    return last.found


class _Last:
    """The decisions of one look, and their consequences."""

    def __init__(self) -> None:
        self.found: list[Event] = []
        self._at = 0
        self._about: set[int] = set()
        """The workers that were decided about; until the next decision about them."""

    def take(self, each: Event) -> None:
        """Up to the instant that is asked for."""
        if each.decided:
            if each.unix_ns != self._at:
                self.found = [one for one in self.found if one.unix_ns == each.unix_ns]
                self._at, self._about = each.unix_ns, set()
            self.found.append(each)
            if each.worker is not None:
                self._about.add(each.worker)
        elif each.reason:
            same = (each.what, each.reason)
            self.found = [one for one in self.found if (one.what, one.reason) != same or one.unix_ns == each.unix_ns]
            self.found.append(each)
        else:
            self.what_came(each)

    def what_came(self, each: Event) -> bool:
        """Take what came of the decisions; whether more of it may follow."""
        if each.decided and each.worker is not None:
            self._about.discard(each.worker)
        elif not each.reason and each.worker in self._about:
            self.found.append(each)
            if each.what in _OVER:
                self._about.discard(each.worker)
        return bool(self._about)


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
