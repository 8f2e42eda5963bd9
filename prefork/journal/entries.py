"""What a journal holds, as values: what the master saw and decided at each look, and what came of it.

Theory. The policy is pure, so the config, one memory and the views that follow it are all that is needed to have every
decision again. A *key* begins such a stretch: config, where each of its settings comes from, and the memory that the
next look starts with. A *look* is a view and the plan that came of it. What can't be in a view, for it happens later or
is text, is a *note*: which worker a birth became, how a process ended, what it left of its stacks. What a reader could
not have is a *gap*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from prefork.policy.memory import Memory
    from prefork.policy.model import Decision, PoolView, Withheld, WorkerId

VERSION = 1
"""Of the form of a journal; another one is refused."""


class Key(NamedTuple):
    """From here on everything can be had again."""

    unix_ns: int
    """The wall clock at `now`: what turns a monotonic instant into a time of day."""
    now: int
    """Monotonic ns, as in views."""
    config: dict[str, Any]
    """The [pool] table, as JSON, whole."""
    origins: dict[str, str]
    """Dotted field of the whole config -> who said it; a default has no entry."""
    memory: Memory
    """What the next look starts with."""
    dropped: int = 0
    """Entries that are missing right before this one: the disk, or who writes to it, was too slow."""
    release: str = ""
    """The prefork that wrote it."""


class Look(NamedTuple):
    """One look."""

    view: PoolView
    decisions: tuple[Decision, ...]
    withheld: tuple[Withheld, ...]
    next_check_at: int | None


class Note(NamedTuple):
    """Something that came of a decision, or befell a process."""

    at: int
    what: Literal["spawned", "ended", "unborn", "failed", "mold failed", "mold ended", "told", "shadow"]
    """`told`: by the operator; `shadow`: what the candidate would have decided otherwise."""
    worker: WorkerId | None
    """None: it is about a mold, or the pool."""
    text: str = ""
    """As the end of a sentence, such as `exit code 1`."""
    detail: str = ""
    """Frames of the user's code, or the stacks that a worker left; several lines."""


class Gap(NamedTuple):
    """Nobody wrote it: from the last look before it to the next key nothing can be had again."""

    what: str
    """As the end of a sentence, such as `an entry is missing`."""
    unix_ns: int | None
    """Of the last look before it; None: there is none."""
    looks: int
    """That are there, and can't be told."""
    damage: bool = True
    """False: a last piece without an end, as that of a pool that runs."""


Entry = Key | Look | Note | Gap
