"""The engine over recorded views again: the same plans for the same config, and what another config would have done.

Theory. decide() is a function of config, view and memory, so a recorded stretch has one continuation under the recorded
config: any other plan means that the journal is broken, or that this release has another policy. Under another config
the memory goes its own way for as long as the pool lives, and the views stay those of the real pool: what it would have
decided is told for each look as if the real pool had done what it did. So the first difference is exact, later ones
are in the light of a pool that another policy led; how a pool led by the other config would have fared, the simulator
says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefork.journal.entries import Key, Look
from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.policy.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.journal.entries import Entry
    from prefork.policy.model import Decision

KEPT = 10_000
"""Differences that are kept; the rest is counted."""


@dataclass(frozen=True)
class Difference:
    """A look at which other decisions were taken."""

    now: int
    """Monotonic ns."""
    unix_ns: int
    was: tuple[Decision, ...]
    """As recorded."""
    now_is: tuple[Decision, ...]
    """As replayed."""


@dataclass
class Replay:
    """What a replay came to."""

    looks: int = 0
    decisions: int = 0
    """Recorded ones."""
    replayed: int = 0
    """Those that the replay took."""
    dropped: int = 0
    """Entries that are missing from the journal."""
    different: int = 0
    """Looks at which other decisions were taken."""
    differences: list[Difference] = field(default_factory=list)
    """The first ones."""
    began_unix_ns: int | None = None
    ended_unix_ns: int | None = None
    spawn_ns: int | None = None
    """From FORK to READY, the quickest birth that was seen: others waited for their turn at the mold."""

    def same_decisions(self) -> bool:
        """Whether there were looks, and the replay decided at each of them what was recorded."""
        return self.looks > 0 and not self.different


def replay(entries: Iterable[Entry], config: PoolConfig | None = None) -> Replay:
    """Decide at each recorded look again; `config`: instead of the recorded one.

    With the recorded config what was withheld and the next check must be the same too.
    """
    found = Replay()
    again = _Again(config)
    for entry in entries:
        if isinstance(entry, Key):
            again.key(entry)
            found.dropped += entry.dropped
        elif isinstance(entry, Look):
            _compare(found, again, entry)
    return found


class _Again:
    """The replaying policy."""

    def __init__(self, other: PoolConfig | None) -> None:
        self._other = other
        self._config = other
        self._recorded: dict[str, Any] | None = None
        self._at_key = Memory()
        self._seed: int | None = None
        self._memory = Memory()
        self._offset = 0

    def key(self, key: Key) -> None:
        """Take the recorded config, and its memory."""
        self._offset = key.unix_ns - key.now
        if self._other is None and key.config != self._recorded:
            self._recorded, self._config = key.config, PoolConfig.model_validate(key.config)
        self._at_key = key.memory
        if self._other is None:
            self._memory = key.memory

    def look(self, look: Look) -> tuple[Decision, ...] | None:
        """What is decided now; None: the same as recorded."""
        assert self._config is not None
        if self._other is not None and look.view.seed != self._seed:  # a pool's first: it brings its memory
            self._seed, self._memory = look.view.seed, self._at_key
        plan = decide(self._config, look.view, self._memory)
        self._memory = plan.memory
        if plan.decisions != look.decisions:
            return plan.decisions
        exact = plan.withheld == look.withheld and plan.next_check_at == look.next_check_at
        return None if exact or self._other is not None else plan.decisions

    def unix(self, now: int) -> int:
        """The wall clock at a monotonic instant."""
        return now + self._offset


def _compare(found: Replay, again: _Again, look: Look) -> None:
    found.looks += 1
    found.decisions += len(look.decisions)
    unix = again.unix(look.view.now)
    found.began_unix_ns = unix if found.began_unix_ns is None else found.began_unix_ns
    found.ended_unix_ns = unix
    took = [each.ready_at - each.forked_at for each in look.view.workers if each.ready_at is not None]
    if took:
        found.spawn_ns = min(*took, found.spawn_ns or took[0])
    other = again.look(look)
    found.replayed += len(look.decisions if other is None else other)
    if other is None:
        return
    found.different += 1
    if len(found.differences) < KEPT:
        found.differences.append(Difference(look.view.now, unix, look.decisions, other))
