"""The load that a pool had, out of its journal: each session's arrival and length, for the simulator.

Theory. A look shows how many a worker has accepted and holds, not who they are. Sessions of a worker are taken to end
in the order in which they began, each at the look that showed it: so arrivals are late by a look at most (a queue is
seen as it grows), and lengths are right on the whole, not one by one. What was shorter than the time between two looks
would come out as nothing: such sessions share what is left of the session time, which the pool measures exactly; where
looks saw the ends so late that there is more than was measured, all are shortened alike. Whoever a worker accepted
right before it died was in no look: the pool counts them, and they are as short. A journal of several pools,
one after another, is the load of each; the wall clock says how far they are apart.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from prefork.journal.entries import Key, Look

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefork.journal.entries import Entry
    from prefork.policy.model import PoolView, WorkerId


class Played(NamedTuple):
    """One session."""

    at: int
    """ns since the journal's first look."""
    length: int
    """ns."""


def sessions_of(entries: Iterable[Entry]) -> list[Played]:
    """The sessions of a journal, by arrival; those that are still held count up to their pool's last look."""
    ledgers: list[_Ledger] = []
    seed, offset = None, 0
    for entry in entries:
        match entry:
            case Key():
                offset = entry.unix_ns - entry.now
            case Look():
                if entry.view.seed != seed:
                    seed = entry.view.seed
                    ledgers.append(_Ledger(entry.view, entry.view.now + offset))
                ledgers[-1].look(entry.view)
    return sorted(
        Played(each.at + ledger.began_unix_ns - ledgers[0].began_unix_ns, each.length)
        for ledger in ledgers
        for each in ledger.close()
    )


class Births:
    """From FORK to READY, the quickest that was seen: others waited for their turn at the mold."""

    def __init__(self) -> None:
        self.quickest_ns: int | None = None

    def look(self, view: PoolView) -> None:
        """Whoever is ready."""
        took = [each.ready_at - each.forked_at for each in view.workers if each.ready_at is not None]
        if took:
            self.quickest_ns = min(*took, self.quickest_ns or took[0])

    def seen(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries, looked at on their way."""
        for entry in entries:
            if isinstance(entry, Look):
                self.look(entry.view)
            yield entry


class _Ledger:
    """Who came when, and went when, in the life of one pool."""

    def __init__(self, first: PoolView, began_unix_ns: int) -> None:
        self.began_unix_ns = began_unix_ns
        self._began = self._now = first.now
        self._held_ns = first.held_ns, first.held_ns
        self._came: deque[int] = deque()
        """Instants of arrival of those that nobody has accepted yet, or whose accept was not seen yet."""
        self._known = self._counted = first.arrivals
        self._unseen = 0
        """Accepted by workers that no look shows any more."""
        self._open: dict[WorkerId, deque[int]] = {}
        self._seen = {worker.id: (worker.accepted, worker.sessions) for worker in first.workers}
        """accepted, sessions."""
        self._arrived: list[int] = []
        self._lengths: list[int] = []

    def look(self, view: PoolView) -> None:
        """Compare with the look before."""
        now = self._now = view.now
        self._held_ns = self._held_ns[0], max(self._held_ns[1], view.held_ns)
        unseen = view.arrivals - self._counted
        self._counted = view.arrivals
        arrived = view.arrivals + max(0, view.queue or 0)
        if arrived > self._known:
            self._came.extend([now] * (arrived - self._known))
            self._known = arrived
        for worker in view.workers:
            accepted, sessions = self._seen.get(worker.id, (0, 0))
            self._seen[worker.id] = worker.accepted, worker.sessions
            held = self._open.setdefault(worker.id, deque())
            came = max(0, worker.accepted - accepted)
            unseen -= came
            held.extend([now] * came)
            self._end(held, sessions + came - worker.sessions)
        ended = self._open.keys() - {worker.id for worker in view.workers}
        if ended:
            self._unseen += max(0, unseen)
        for gone in ended:
            self._end(self._open.pop(gone), None)

    def _end(self, held: deque[int], count: int | None) -> None:
        """The oldest `count` end now; None: all of them."""
        for _ in range(len(held) if count is None else min(max(0, count), len(held))):
            began = held.popleft()
            self._arrived.append(min(began, self._came.popleft()) if self._came else began)
            self._lengths.append(self._now - began)

    def close(self) -> list[Played]:
        """Everybody who came, and the session time that was measured, shared as the theory says."""
        for held in self._open.values():
            self._end(held, None)
        for _ in range(min(self._unseen, len(self._came))):
            self._arrived.append(self._came.popleft())
            self._lengths.append(0)
        seen, measured = sum(self._lengths), self._held_ns[1] - self._held_ns[0]
        short = sum(not length for length in self._lengths)
        each = (measured - seen) // short if short and measured > seen else 0
        over = min(measured, seen), max(1, seen)
        return [
            Played(at - self._began, length * over[0] // over[1] or each)
            for at, length in zip(self._arrived, self._lengths, strict=True)
        ]
