"""What happened at an instant, out of events: the decisions and ends around it, what led to them, what came of them.

Theory. The last decision up to the instant is the anchor, and a second before it belongs to it: a worker is killed in
steps, and its successor is born after it. A birth may be late, when crash tokens ran out: the ends since the birth
before it led to it. Workers that were told to go are followed to their end; of one that was born, the first minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from prefork.journal.story import BORN, WITHHELD
from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.journal.story import Event

_AROUND: Final = NS
FOLLOWED: Final = 60 * NS
"""How long a birth may wait for its end's successor, and a newborn is followed."""
_ENDS: Final = ("ended", "unborn")
_GOING: Final = ("told to", "killed")


class Window(NamedTuple):
    """What is asked for, as Unix ns, both ends included."""

    began: int
    until: int


def around(events: Iterable[Event], window: Window | None) -> list[Event]:
    """What happened in the window, or else at the last decision before it; None: at the last one of all.

    By time, with what led to it and what came of it; empty where nothing was decided up to then.
    """
    moment = _Moment(window)
    for each in events:
        if window is None or each.unix_ns <= window.until:
            moment.take(each)
        elif not moment.what_came(each):
            break
    return moment.told()


class _Moment:
    def __init__(self, window: Window | None) -> None:
        self._window = window
        self._found: list[Event] = []
        self._led: list[Event] = []
        """Ends that nobody wanted, since the last birth; then that birth's."""
        self._at: int | None = None
        """The anchor."""
        self._born_at: int | None = None
        """Of the last birth; what led to it is known."""
        self._killed: set[int] = set()
        self._open: dict[int, bool] | None = None
        """Whom to follow, after the window -> whether to its end."""

    def take(self, each: Event) -> None:
        """Up to the instant that is asked for."""
        if each.decided:
            self._anchor(each)
        elif each.what == WITHHELD:
            same = (each.want, each.reason)
            self._found = [one for one in self._found if one.what != WITHHELD or (one.want, one.reason) != same]
        elif each.worker is not None and (each.unordered or each.worker in self._killed):
            if self._born_at is not None:
                self._led, self._born_at = [], None
            self._led.append(each)
            self._killed.discard(each.worker if each.what in _ENDS else -1)
        self._found.append(each)

    def _anchor(self, each: Event) -> None:
        if each.what.startswith("killed") and each.worker is not None:
            self._killed.add(each.worker)
        if each.unix_ns != self._at:
            self._at = each.unix_ns
            start = self._start(each.unix_ns)
            self._found = [one for one in self._found if one.unix_ns >= start]
        if each.what.startswith(BORN):
            if self._born_at not in (None, each.unix_ns):
                self._led = []
            self._born_at = each.unix_ns
            known = {*map(id, self._found)}
            self._found += [one for one in self._led if id(one) not in known and each.unix_ns - one.unix_ns < FOLLOWED]

    def _start(self, anchor: int) -> int:
        start = anchor - _AROUND
        return start if self._window is None else min(start, self._window.began)

    def what_came(self, each: Event) -> bool:
        """Take what came of the decisions; whether more of it may follow."""
        assert self._window is not None
        if self._open is None:
            self._open = _followed(self._found)
        late = each.unix_ns > self._window.until + FOLLOWED
        if not each.reason or each.decided:
            to_the_end = self._open.get(each.worker) if each.worker is not None else None
            if to_the_end or (to_the_end is not None and not late):
                self._found.append(each)
                _follow(self._open, each)
        return any(self._open.values()) or (bool(self._open) and not late)

    def told(self) -> list[Event]:
        """All of it; nothing without a decision."""
        if self._at is None:
            return []
        latest = self._at + _AROUND if self._window is None else self._window.until
        shown = [each for each in self._found if each.what != "shadow" or each.unix_ns <= latest]
        return sorted(shown, key=lambda each: (each.unix_ns, each.what == WITHHELD))


def _followed(found: Iterable[Event]) -> dict[int, bool]:
    """Who was decided about, and has not ended since -> whether it was told to go."""
    followed: dict[int, bool] = {}
    for each in sorted(found, key=lambda each: each.unix_ns):
        if each.decided and each.worker is not None:
            followed.setdefault(each.worker, False)
        _follow(followed, each)
    return followed


def _follow(followed: dict[int, bool], each: Event) -> None:
    if each.worker is None or each.worker not in followed:
        return
    if each.what in _ENDS:
        del followed[each.worker]
    elif each.what.startswith(_GOING):
        followed[each.worker] = True
