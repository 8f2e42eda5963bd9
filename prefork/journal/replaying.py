"""The engine over recorded views again: the same plans for the same config, and what another config would have done.

Theory. decide() is a function of config, view and memory, so a recorded stretch has one continuation under the recorded
config: any other plan means that the journal is broken, or that this release has another policy. Under another config
the memory goes its own way for as long as the pool lives, and the views stay those of the real pool: what it would have
decided is told for each look as if the real pool had done what it did. So the first difference is exact, later ones
are in the light of a pool that another policy led; how a pool led by the other config would have fared, the simulator
says. A wish that isn't granted stands, and is a difference once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefork.journal.entries import Gap, Key, Look
from prefork.journal.traffic import Births
from prefork.journal.wishes import News, Wishes
from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import Kill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.journal.entries import Entry
    from prefork.policy.model import Decision, PoolView

KEPT = 10_000
"""Differences that are kept; the rest is counted."""


@dataclass(frozen=True)
class Difference:
    """A look at which other decisions were taken."""

    now: int
    """Monotonic ns."""
    unix_ns: int
    was: tuple[Decision, ...]
    """As recorded; under another config without what that had wanted before."""
    now_is: tuple[Decision, ...]
    """As replayed; under another config without what it had wanted before."""


@dataclass
class Replay:
    """What a replay came to."""

    looks: int = 0
    decisions: int = 0
    """Recorded ones."""
    replayed: int = 0
    """Those that the replay took; under another config what stands is counted once."""
    kills: int = 0
    unordered: int = 0
    """Ends that nobody had ordered."""
    dropped: int = 0
    """Entries that are missing from the journal."""
    gaps: list[Gap] = field(default_factory=list)
    """Damage: what nobody counted, and can't be read."""
    unfinished: Gap | None = None
    """The last piece has no end."""
    different: int = 0
    """Looks at which other decisions were taken."""
    differences: list[Difference] = field(default_factory=list)
    """The first ones."""
    began_unix_ns: int | None = None
    ended_unix_ns: int | None = None
    spawn_ns: int | None = None
    """From FORK to READY, the quickest birth that was seen: others waited for their turn at the mold."""

    def same_decisions(self) -> bool:
        """Whether there were looks, all can be read, and the replay decided at each of them what was recorded."""
        return self.looks > 0 and not self.different and not self.gaps


def replay(entries: Iterable[Entry], config: PoolConfig | None = None) -> Replay:
    """Decide at each recorded look again; `config`: instead of the recorded one.

    With the recorded config what was withheld and the next check must be the same too.
    """
    found = Replay()
    again = _Again(config)
    exits = 0, 0
    births = Births()
    for entry in births.seen(entries):
        if isinstance(entry, Key):
            again.key(entry)
            found.dropped += entry.dropped
        elif isinstance(entry, Look):
            exits = _count_exits(found, entry.view, exits)
            _compare(found, again, entry)
        elif isinstance(entry, Gap) and entry.damage:
            found.gaps.append(entry)
        elif isinstance(entry, Gap):
            found.unfinished = entry
    found.spawn_ns = births.quickest_ns
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
        self._wishes = Wishes()
        self._offset = 0

    def key(self, key: Key) -> None:
        """Take the recorded config, and its memory."""
        self._offset = key.unix_ns - key.now
        if self._other is None and key.config != self._recorded:
            self._recorded, self._config = key.config, PoolConfig.model_validate(key.config)
        self._at_key = key.memory
        if self._other is None:
            self._memory = key.memory

    def look(self, look: Look) -> News | None:
        """What was decided, and what is decided now; None: the same."""
        assert self._config is not None
        if self._other is not None and look.view.seed != self._seed:  # a pool's first: it brings its memory
            self._seed, self._memory, self._wishes = look.view.seed, self._at_key, Wishes()
        plan = decide(self._config, look.view, self._memory)
        self._memory = plan.memory
        if self._other is not None:
            news = self._wishes.news(plan.decisions, look.decisions)
            return None if news.wanted == news.done else news
        recorded = look.decisions, look.withheld, look.next_check_at
        same = (plan.decisions, plan.withheld, plan.next_check_at) == recorded
        return None if same else News(look.decisions, plan.decisions)

    def unix(self, now: int) -> int:
        """The wall clock at a monotonic instant."""
        return now + self._offset


def _count_exits(found: Replay, view: PoolView, known: tuple[int, int]) -> tuple[int, int]:
    """Those that `known`, a pool's seed and the last exit's number, does not know; what is known then."""
    before = known[1] if known[0] == view.seed else 0
    found.unordered += sum(each.ordered is None and each.born for each in view.exits if each.seq > before)
    return view.seed, max([before, *(each.seq for each in view.exits)])


def _compare(found: Replay, again: _Again, look: Look) -> None:
    found.looks += 1
    found.decisions += len(look.decisions)
    unix = again.unix(look.view.now)
    found.began_unix_ns = unix if found.began_unix_ns is None else found.began_unix_ns
    found.ended_unix_ns = unix
    found.kills += sum(isinstance(each, Kill) for each in look.decisions)
    news = again.look(look)
    if news is None:
        found.replayed += len(look.decisions)
        return
    found.replayed += len(look.decisions) - len(news.done) + len(news.wanted)
    found.different += 1
    if len(found.differences) < KEPT:
        found.differences.append(Difference(look.view.now, unix, news.done, news.wanted))
