"""Facts as notes: what came of decisions and befell processes, in the words of a journal; the last ones are kept."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from prefork import wire
from prefork.journal.entries import Note
from prefork.master.facts import (
    Asked,
    MoldExited,
    MoldSaid,
    Signalled,
    WorkerExited,
    WorkerSaid,
    WorkerUnborn,
    signal_name,
)
from prefork.master.orders import ORDERS
from prefork.master.scoreboard import HISTORY

if TYPE_CHECKING:
    from prefork.master.facts import Fact

_MOST_DETAIL: Final = 4096
"""Characters of stacks and frames that are kept of one; a journal has all."""


def note_of(fact: Fact, now: int) -> Note | None:
    """What a fact tells of, if that can't be in a view."""
    found: tuple[Any, ...]
    match fact:
        case WorkerExited(worker):
            found = "ended", worker, fact.how + fact.losses, fact.dump
        case WorkerUnborn(worker):
            found = "unborn", worker, fact.how
        case WorkerSaid(worker, wire.Failed(text, frames)):
            found = "failed", worker, text, frames
        case MoldSaid(generation, wire.MoldFailed(text, frames)):
            found = "mold failed", None, f"generation {generation}: {text}", frames
        case MoldExited(generation, how):
            found = "mold ended", None, f"generation {generation}: {how}"
        case Signalled(signum):
            found = "told", None, signal_name(signum)
        case Asked(_, command, args) if command in ORDERS:
            found = "told", None, " ".join(map(str, [command, *args.values()]))
        case _:
            return None
    return Note(now, *found)


class LastNotes:
    """As many as there are decisions in `status`."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=HISTORY)

    def learned(self, fact: Fact, now: int) -> None:
        """Keep what it tells."""
        note = note_of(fact, now)
        if note is not None:
            self._notes.append(note._replace(detail=note.detail[:_MOST_DETAIL]))

    def rows(self, now: int) -> list[dict[str, Any]]:
        """Oldest first, in plain values."""
        return [note._asdict() | {"at_s": (now - note.at) / 1e9} for note in self._notes]
