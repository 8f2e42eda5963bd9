"""Entries to lines of text and back. Pure: whoever has the lines has the entries, whatever carried them.

Theory. Two looks differ in little: a look is written as what changed since the one before, a worker by its id. After a
key a look is whole, and looks are numbered from it: after one that is missing none can be told until the next key. A
line is one JSON array, its first member the kind of entry; fields are named as in the model, so that a journal can be
read without us. Everything is an integer or a word: what comes back is equal, not nearly so.
"""

from __future__ import annotations

import json
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING, Any, Final

from prefork.errors import ConfigError
from prefork.journal.entries import VERSION, Entry, Key, Look, Note
from prefork.policy import model
from prefork.policy.memory import Memory
from prefork.policy.model import (
    Because,
    Decision,
    ExitView,
    KillStep,
    MoldPhase,
    MoldView,
    Owner,
    Phase,
    PoolView,
    Reason,
    Withheld,
    WorkerView,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.policy.memory import Plan
    from prefork.policy.model import Figure

_EMPTY: Final = PoolView(now=0, seed=0, generation=0)
_MARK: Final = object()
_DECISIONS: Final = {
    each.__name__: each
    for each in (
        model.Spawn,
        model.Pause,
        model.Resume,
        model.Retire,
        model.Drain,
        model.Kill,
        model.StartMold,
        model.EndMold,
        model.GiveUp,
    )
}
_dumps: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=sorted).encode


class JournalError(ConfigError):
    """What is no journal, or none that this release can read."""


class Encoder:
    """Turns entries into lines; it remembers the last view."""

    def __init__(self) -> None:
        self._view = _EMPTY
        self._number = 0
        self._dropped = 0

    def key(self, key: Key) -> str:
        """A key; the next look is whole. `dropped` is written as a total: a key may be missing itself."""
        self._view, self._number = _EMPTY, 0
        self._dropped += key.dropped
        changed = {"memory": json.loads(key.memory.to_json()), "dropped": self._dropped, "version": VERSION}
        fields = key._asdict() | changed
        return _dumps(["key", fields])

    def look(self, view: PoolView, plan: Plan) -> str:
        """A look, as what changed since the last one."""
        changes = _changes(self._view, view)
        self._view = view
        self._number += 1
        decisions = [[type(each).__name__, *each] for each in plan.decisions]
        return _dumps(["look", self._number, changes, plan.next_check_at, decisions, plan.withheld])

    def note(self, note: Note) -> str:
        """A note."""
        return _dumps(["note", note])


class Decoder:
    """Turns lines into entries, in the order in which they were written, from a key on."""

    def __init__(self) -> None:
        self.lost: str | None = None
        """Why no look can be told up to the next key."""
        self.untold = 0
        """Looks that couldn't be told since."""
        self._view: PoolView | None = None
        self._number = 0
        self._dropped = 0
        """As the last key told."""

    def lose(self, what: str) -> None:
        """Something is missing here."""
        self.lost, self._view = self.lost or what, None

    def entry(self, line: str) -> Entry | None:
        """The entry; None: a look that can't be told, for one before it is missing. Raises JournalError."""
        try:
            kind, *rest = json.loads(line)
            return self._read(kind, rest)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"no entry of a journal: {line[:80]!r}") from None

    def _read(self, kind: str, rest: list[Any]) -> Entry | None:
        match kind:
            case "key":
                (fields,) = rest
                return self._key(fields)
            case "note":
                ((at, what, worker, text, detail),) = rest
                return Note(_figure("at", at), what, worker, str(text), str(detail))
            case "look":
                return self._look(*rest)
            case _:
                raise JournalError(f"no entry of a journal: {kind!r:.80}")

    def _key(self, fields: dict[str, Any]) -> Key:
        version = fields.pop("version")
        if version != VERSION:
            raise JournalError(f"it is written in form {version}, and this prefork reads form {VERSION}")
        self._view, self._number = _EMPTY, 0
        self.lost, self.untold = None, 0
        from prefork.policy.config import PoolConfig  # noqa: PLC0415 - for readers: those who write have no pydantic

        PoolConfig.model_validate(fields["config"])
        fields["memory"] = Memory.from_json(_dumps(fields["memory"]))
        key = Key(**fields)
        if not (isinstance(key.unix_ns, int) and isinstance(key.now, int) and isinstance(key.dropped, int)):
            raise TypeError("key")
        before, self._dropped = self._dropped, key.dropped
        return key._replace(dropped=key.dropped - (before if key.dropped >= before else 0))  # less: another pool's

    def _look(
        self,
        number: int,
        changes: dict[str, Any],
        next_check_at: int | None,
        decisions: list[Any],
        withheld: list[Any],
    ) -> Look | None:
        self._number += 1
        if self._view is None or number != self._number:
            self.lose("an entry is missing")
            self.untold += 1
            return None
        self._view = _changed(self._view, changes)
        return Look(
            self._view,
            tuple(_decision(each) for each in decisions),
            tuple(Withheld(want, count, _because(because)) for want, count, because in withheld),
            next_check_at,
        )


# -- views


def _changes(before: PoolView, view: PoolView) -> dict[str, Any]:
    """What is another in `view`; workers by id. At each look of a busy pool: so it is told in few words of Python."""
    found = _other(before, view)
    if "workers" in found:
        del found["workers"]
        found |= _worker_changes(before.workers, view.workers)
    return found


def _other(old: PoolView | WorkerView, new: PoolView | WorkerView) -> dict[str, Any]:
    """The fields that are another, with their new values."""
    return dict(compress(zip(new._fields, new, strict=True), map(ne, old, new)))


def _worker_changes(before: tuple[WorkerView, ...], after: tuple[WorkerView, ...]) -> dict[str, Any]:
    old = {each.id: each for each in before}
    found: dict[str, Any] = {
        "workers": {new.id: _fields(old.get(new.id), new) for new in after if new != old.get(new.id)}
    }
    names = [new.id for new in after]
    if names == [*old]:
        return found
    present = {*names}
    if gone := [name for name in old if name not in present]:
        found["gone"] = gone
    if names != [name for name in old if name in present] + [name for name in names if name not in old]:
        found["order"] = names
    return found


def _fields(old: WorkerView | None, new: WorkerView) -> dict[str, Any]:
    """The fields that changed; of a newcomer those that aren't the default."""
    if old is not None:
        return _other(old, new)
    defaults = WorkerView._field_defaults
    return {name: value for name, value in new._asdict().items() if defaults.get(name, _MARK) != value}


def _changed(before: PoolView, changes: dict[str, Any]) -> PoolView:
    """The view that `_changes` was made of."""
    workers = before.workers
    if "workers" in changes:
        workers = _changed_workers(workers, changes)
    values = {name: _typed(name, value) for name, value in changes.items() if name in _OF_POOL}
    return before._replace(**(values | {"workers": workers}))


def _changed_workers(before: tuple[WorkerView, ...], changes: dict[str, Any]) -> tuple[WorkerView, ...]:
    gone = set(changes.get("gone", ()))
    workers = {each.id: each for each in before if each.id not in gone}
    for name, fields in changes["workers"].items():
        typed = {field: _typed(field, value) for field, value in fields.items()}
        worker = model.WorkerId(int(name))
        old = workers.get(worker)
        workers[worker] = WorkerView(**typed) if old is None else old._replace(**typed)
    order = changes.get("order")
    return tuple(workers[each] for each in order) if order is not None else tuple(workers.values())


def _exit(raw: list[Any]) -> ExitView:
    found = ExitView(*map(_figure, ExitView._fields, raw))
    return found._replace(ordered=None if found.ordered is None else Reason(found.ordered))


def _mold(raw: list[Any]) -> MoldView:
    found = MoldView(*map(_figure, MoldView._fields, raw))
    return found._replace(phase=MoldPhase(found.phase))


_OF_POOL: Final = {*PoolView._fields} - {"workers"}
_TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "phase": Phase,
    "paused_by": lambda owners: frozenset(map(Owner, owners)),
    "kill_step": KillStep,
    "drain_wanted": Owner,
    "molds": lambda molds: tuple(map(_mold, molds)),
    "exits": lambda exits: tuple(map(_exit, exits)),
}
_WORDS: Final = {"phase", "ordered"}
_OPTIONAL: Final = {
    name
    for kind in (PoolView, WorkerView, MoldView, ExitView)
    for name, annotation in kind.__annotations__.items()
    if "None" in str(annotation)
}


def _typed(field: str, value: Any) -> Any:  # noqa: ANN401 - JSON in, a field's value out
    make = _TYPES.get(field)
    return _figure(field, value) if make is None or value is None else make(value)


def _figure(field: str, value: Any) -> Any:  # noqa: ANN401 - as `_typed`
    """An integer, or a word, or nothing where that is a value. Raises TypeError."""
    if isinstance(value, int) or (value is None and field in _OPTIONAL) or (isinstance(value, str) and field in _WORDS):
        return value
    raise TypeError(field)


# -- plans


def _decision(raw: list[Any]) -> Decision:
    name, *values = raw
    kind: Any = _DECISIONS[name]
    fields = dict(zip(kind._fields, values, strict=True))
    fields["because"] = _because(fields["because"])
    if "step" in fields:
        fields["step"] = KillStep(fields["step"])
    made: Decision = kind(**fields)
    return made


def _because(raw: list[Any]) -> Because:
    reason, figures = raw
    return Because(Reason(reason), tuple((str(name), _told(value)) for name, value in figures))


def _told(value: Any) -> Figure:  # noqa: ANN401 - as `_typed`
    if isinstance(value, int | str):
        return value
    raise TypeError(value)
