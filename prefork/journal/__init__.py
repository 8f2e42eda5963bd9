"""What a pool saw and decided, kept: entries, their text form, their replay; pieces on disk and who writes them.

from prefork.journal import read, replay

assert replay(read("incidents/2026-11-24")).same_decisions()
"""

from prefork.journal.codec import JournalError
from prefork.journal.entries import Entry, Gap, Key, Look, Note
from prefork.journal.pieces import read
from prefork.journal.replaying import Difference, Replay, replay

__all__ = ["Difference", "Entry", "Gap", "JournalError", "Key", "Look", "Note", "Replay", "read", "replay"]
