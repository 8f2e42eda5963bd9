"""What a pool saw and decided, kept: entries, their text form, their replay; pieces on disk and who writes them.

from prefork.journal import read, replay

assert replay(read("incidents/2026-11-24")).same_decisions()

Each name is loaded when it is first used: a master and its scribe write, and need nothing of what reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.lazy import load

if TYPE_CHECKING:
    from prefork.journal.codec import JournalError as JournalError
    from prefork.journal.entries import Entry as Entry
    from prefork.journal.entries import Gap as Gap
    from prefork.journal.entries import Key as Key
    from prefork.journal.entries import Look as Look
    from prefork.journal.entries import Note as Note
    from prefork.journal.pieces import read as read
    from prefork.journal.replaying import Difference as Difference
    from prefork.journal.replaying import Replay as Replay
    from prefork.journal.replaying import replay as replay

_HOME = {
    "Difference": "prefork.journal.replaying",
    "Entry": "prefork.journal.entries",
    "Gap": "prefork.journal.entries",
    "JournalError": "prefork.journal.codec",
    "Key": "prefork.journal.entries",
    "Look": "prefork.journal.entries",
    "Note": "prefork.journal.entries",
    "Replay": "prefork.journal.replaying",
    "read": "prefork.journal.pieces",
    "replay": "prefork.journal.replaying",
}

__all__ = [  # noqa: PLE0604, RUF100 - derived from the table, so that a name is written once
    *_HOME,
]


def __getattr__(name: str) -> object:
    return load(__name__, name, _HOME)
