"""A second policy on the live views, with a memory of its own: what it would decide is told, and never performed.

Theory. It is a witness: it sees the view and returns nothing, so that there is no way from here to the kernel. What it
wants and doesn't get it wants again at the next look; a wish is counted when it is new, and told again when it has
doubled. It sees the looks that the pool's own policy asked for: what it would have wanted at an instant in between, it
wants at the next one.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

from prefork.journal.entries import Note
from prefork.journal.wishes import Wishes, act_of, acts
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import Spawn
from prefork.policy.units import figure_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.master.facts import Fact, Performed
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Plan
    from prefork.policy.model import Because, Decision, PoolView

_log = logging.getLogger("prefork.master")
KEPT: Final = 50
"""Differences that `status` can still show."""


class Shadow:
    """One candidate."""

    def __init__(self, file: str, pool: PoolConfig, tell: Callable[[Note], None]) -> None:
        self.file = file
        self._pool = pool
        self._tell = tell
        self._memory = Memory()
        self._wishes = Wishes()
        self._births = 0
        """That it goes without, as they were told."""
        self._looks = self._otherwise = 0
        self._decided: Counter[str] = Counter()
        self._recent: deque[tuple[int, str]] = deque(maxlen=KEPT)

    def take(self, pool: PoolConfig) -> None:
        """What the file says now; another candidate begins with no memory."""
        if pool != self._pool:
            _log.info("shadow %s: it has changed, and is tried from now on", self.file)
            self._pool, self._memory, self._wishes, self._births = pool, Memory(), Wishes(), 0

    def looked(self, _pool: PoolConfig, _memory: Memory, view: PoolView, plan: Plan) -> None:
        """Decide too, and compare."""
        own = decide(self._pool, view, self._memory)
        self._memory = own.memory
        done, wanted = self._wishes.news(own.decisions, plan.decisions)
        self._looks += 1
        for each in wanted:
            self._decided[f"{act_of(each)[0]} {each.because.reason}"] += 1
        grown = self._grown(own, told=bool(wanted))
        if acts(wanted) != acts(done) or grown:
            self._otherwise += 1
            text = f"would {grown or _text(wanted) or 'do nothing'}; the pool does {_text(done) or 'nothing'}"
            self._recent.append((view.now, text))
            self._tell(Note(view.now, "shadow", None, text))

    def _grown(self, own: Plan, *, told: bool) -> str:
        """The births that it goes without, when they are twice what was told; with those that it withholds itself."""
        births = [each.because for each in own.decisions if isinstance(each, Spawn)]
        if not births or not self._wishes.stands("spawn"):
            self._births = 0
            return ""
        many = len(births) + sum(each.count for each in own.withheld if each.want == "spawn")
        if told or not self._births:
            self._births = many
        if many < 2 * self._births:
            return ""
        self._births = many
        return f"spawn {many} by now ({_why(births[0])})"

    def performed(self, done: Performed) -> None:
        """Of the pool's own decisions."""

    def learned(self, fact: Fact, now: int) -> None:
        """The views will tell."""

    def status(self, now: int) -> dict[str, Any]:
        """What it decided so far, and where it differs, newest first."""
        return {
            "file": self.file,
            "looks": self._looks,
            "otherwise": self._otherwise,
            "decisions": dict(self._decided.most_common()),
            "recent": [{"at_s": (now - at) / 1e9, "text": text} for at, text in reversed(self._recent)],
        }


def _text(decisions: Sequence[Decision]) -> str:
    """`spawn 3 (demand: need 4, open 1), drain 7 (…)`."""
    births = Counter(each.because for each in decisions if isinstance(each, Spawn))
    said = [f"spawn {count} ({_why(because)})" for because, count in births.items()]
    for each in decisions:
        if not isinstance(each, Spawn):
            kind, worker = act_of(each)
            said.append(f"{kind}{'' if worker is None else f' {worker}'} ({_why(each.because)})")
    return ", ".join(said)


def _why(because: Because) -> str:
    figures = ", ".join(figure_text(name, value) for name, value in because.figures)
    return f"{because.reason}: {figures}" if figures else str(because.reason)
