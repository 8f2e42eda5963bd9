"""What happened to a worker, or at an instant, out of a journal: events in the order in which they came.

Theory. A worker's story is every decision about it, and what came of it: when it was ready, how it ended, its last
stacks. What is withheld is told when it begins, whenever it is more than before, and with each decision. A journal may
hold several pools, one after another, each with workers from 1 on: the seed that a pool drew tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.journal.entries import Gap, Key, Look, Note
from prefork.journal.words import words_of
from prefork.policy.config import PoolConfig
from prefork.policy.limits import explain
from prefork.policy.model import Drain, Kill, Reason, Retire, Spawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prefork.journal.entries import Entry
    from prefork.policy.model import Because, Decision, PoolView, Withheld, WorkerId

BORN = "born"
_DONE = {
    "spawn": BORN,
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
    unordered: bool = False
    """An end, or a failure, that nobody had ordered."""
    want: str = ""
    """What is withheld: `spawn`, `replace` …"""
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
        self.gaps: list[Gap] = []
        """What could not be read so far."""
        self.pool_ns = 0
        """When the pool that was told of last was seen first; 0: none was."""
        self._key: Key | None = None
        self._seed: int | None = None
        self._births: list[Event] = []
        """Told, and without a number yet: the notes bring those."""
        self._ready: set[WorkerId] = set()
        self._ordered: set[WorkerId] = set()
        """Who was told to end, and has not ended."""
        self._withheld: dict[tuple[str, Reason], _Most] = {}
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
                case Gap():
                    self.gaps.append(entry)
                    yield from self._births
                    self._births = []

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
            event = self._decided(decision, look)
            if isinstance(decision, Retire | Drain | Kill):
                self._ordered.add(decision.worker)
            if isinstance(decision, Spawn):
                self._births.append(event)
            else:
                yield event
        yield from self._held_back(look)

    def _held_back(self, look: Look) -> Iterator[Event]:
        now, before, self._withheld = self.unix(look.view.now), self._withheld, {}
        for each in look.withheld:
            of = each.want, each.because.reason
            old = before.get(of, _Most(0, now, now))
            more = each.count > old.wanted
            self._withheld[of] = most = _Most(each.count, now, old.since_ns) if more else old
            if more or look.decisions:
                yield replace(withheld_of(each, self._settings, now, most.told(each.count, now)), pool_ns=self.pool_ns)

    def _another_pool(self, view: PoolView) -> None:
        self._seed, self.pool_ns = view.seed, self.unix(view.now)
        self._ready = {worker.id for worker in view.workers if worker.ready_at is not None}
        self._ordered, self._withheld = set(), {}

    def _became_ready(self, view: PoolView) -> Iterator[Event]:
        ready = {worker.id: worker for worker in view.workers if worker.ready_at is not None}
        for worker in ready.values():
            if worker.id not in self._ready and worker.ready_at is not None:
                took = (worker.ready_at - worker.forked_at) / 1e6
                yield self._plain(worker.ready_at, worker.id, "ready", f"{took:.1f} ms after its birth")
        self._ready = {*ready}

    def _decided(self, decision: Decision, look: Look) -> Event:
        worker = getattr(decision, "worker", None)
        what = _DONE[decision.kind]
        if decision.kind == "kill":
            what = f"killed ({decision.step})"
        elif decision.kind == "spawn" and decision.replaces is not None:
            what = f"born for {decision.replaces}"
        event = self._event(look.view.now, worker, what, decision.because)
        return self._probe(event, look) if isinstance(decision, Spawn) else event

    def _probe(self, event: Event, look: Look) -> Event:
        """A birth while crash tokens are spent is a probe, whatever it is wanted for."""
        spent = [each.because for each in look.withheld if each.because.reason is Reason.CRASH_TOKENS]
        if not spent or event.reason == Reason.PROBE:
            return event
        words = words_of(spent[0])
        more = tuple(self._settings[name] for name in words.settings if name in self._settings)
        return replace(event, text=f"{event.text}; a probe: {words.sentence}", settings=event.settings + more)

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
        alone = note.worker is not None and note.worker not in self._ordered
        event = noted(self._plain(note.at, note.worker, note.what, note.text, note.detail))
        if alone and note.what == "ended":
            event = replace(event, text=f"{note.text}; nobody had ordered it")
        if note.worker is not None and note.what == "ended":
            self._ordered.discard(note.worker)
        yield replace(event, unordered=alone)


class _Most(NamedTuple):
    """The largest count of what is withheld, and since when it is."""

    wanted: int
    unix_ns: int
    since_ns: int

    def told(self, count: int, now: int) -> str:
        """Beside the count at an instant."""
        if count < self.wanted:
            return f" ({self.wanted} at most, {(now - self.unix_ns) / 1e9:.3g} s before)"
        return f" (the most in {(now - self.since_ns) / 1e9:.3g} s)" if self.since_ns < now else ""


def _wanted(held: Withheld) -> str:
    """`2 more births were wanted`."""
    one, many = _WANTED[held.want]
    return f"1 more {one} was wanted" if held.count == 1 else f"{held.count} more {many} were wanted"


def noted(event: Event) -> Event:
    """What a note says, in the words of a story."""
    return replace(event, what="told by the operator") if event.what == "told" else event


def withheld_of(held: Withheld, settings: Mapping[str, Setting], unix_ns: int, at_most: str = "") -> Event:
    """What is withheld; `at_most`: that it was more before."""
    event = event_of(held.because, settings, unix_ns=unix_ns, worker=None, what=WITHHELD, text=_wanted(held) + at_most)
    return replace(event, want=held.want)


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
