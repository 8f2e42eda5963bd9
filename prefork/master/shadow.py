"""A second policy on the live views, with a memory of its own: what it would decide is told, and never performed.

Theory. It is a witness: it sees the view and returns nothing, so that there is no way from here to the kernel. What it
wants and doesn't get it wants again at the next look; a wish is counted when it is new. It sees the looks that the
pool's own policy asked for: what it would have wanted at an instant in between, it wants at the next one.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

from prefork.journal.entries import Note
from prefork.policy.engine import decide
from prefork.policy.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.master.facts import Fact, Performed
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Plan
    from prefork.policy.model import Decision, PoolView

KEPT: Final = 50
"""Differences that `status` can still show."""
Wishes = Counter[tuple[str, int | None, str]]
"""(kind, worker, reason) -> how many; births have no worker."""


class Shadow:
    """One candidate."""

    def __init__(self, file: str, pool: PoolConfig, tell: Callable[[Note], None]) -> None:
        self._file = file
        self._pool = pool
        self._tell = tell
        self._memory = Memory()
        self._wishes: Wishes = Counter()
        self._looks = self._otherwise = 0
        self._decided: Counter[str] = Counter()
        self._recent: deque[tuple[int, str]] = deque(maxlen=KEPT)

    def looked(self, _pool: PoolConfig, _memory: Memory, view: PoolView, plan: Plan) -> None:
        """Decide too, and compare."""
        own = decide(self._pool, view, self._memory)
        self._memory = own.memory
        wishes = _wishes(own.decisions)
        new = wishes - self._wishes
        self._wishes = wishes
        self._looks += 1
        for (kind, _, reason), count in new.items():
            self._decided[f"{kind} {reason}"] += count
        done = _wishes(plan.decisions)
        if _acts(new) != _acts(done):
            self._otherwise += 1
            text = f"would {_text(new)}; the pool does {_text(done)}"
            self._recent.append((view.now, text))
            self._tell(Note(view.now, "shadow", None, text))

    def performed(self, done: Performed) -> None:
        """Of the pool's own decisions."""

    def learned(self, fact: Fact, now: int) -> None:
        """The views will tell."""

    def status(self, now: int) -> dict[str, Any]:
        """What it decided so far, and where it differs, newest first."""
        return {
            "file": self._file,
            "looks": self._looks,
            "otherwise": self._otherwise,
            "decisions": dict(self._decided.most_common()),
            "recent": [{"at_s": (now - at) / 1e9, "text": text} for at, text in reversed(self._recent)],
        }


def _wishes(decisions: Iterable[Decision]) -> Wishes:
    return Counter((_kind(each), getattr(each, "worker", None), str(each.because.reason)) for each in decisions)


def _kind(decision: Decision) -> str:
    return f"kill ({decision.step})" if decision.kind == "kill" else decision.kind


def _acts(wishes: Wishes) -> Counter[tuple[str, int | None]]:
    """What would be done, whatever the reason."""
    found: Counter[tuple[str, int | None]] = Counter()
    for (kind, worker, _), count in wishes.items():
        found[kind, worker] += count
    return found


def _text(wishes: Wishes) -> str:
    said = [
        f"{kind} {count if worker is None else worker} ({reason})" for (kind, worker, reason), count in wishes.items()
    ]
    return ", ".join(said) or "nothing"
