"""A server beside others: started together, loaded in turn, what each costs for a request.

A figure is a peer's CPU for a request by ours: 1 is equal, more is better. All processes of a server count, with all
their threads. Beside it stands the same server twice: where two of ours aren't alike to 3 %, or there weren't enough
rounds, the machine was no place to measure on, and the row says so.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from bench.servers import Missing
from bench.table import Ratio, Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bench.loads import Load, Programs, Told
    from bench.servers import Served

    Start = Callable[[], AbstractContextManager[Served]]

ENOUGH = 12
ALIKE = 0.03
_ROUNDS_A_START = 4
"""Then all are started anew: where a process's memory happens to lie is a bias that no pair takes out."""
_SETTLE_S = 0.2
_OURS, _AGAIN = "ours", "the same twice"


class Options(NamedTuple):
    """How long to measure."""

    programs: Programs
    pairs: int = ENOUGH
    seconds: float = 0.5
    budget: float = 90.0
    """Seconds for one measurement: at its end no round is begun."""


class Peer(NamedTuple):
    """A server to be compared with."""

    name: str
    start: Start
    least: float | None = None


class Comparison(NamedTuple):
    """Ours, its peers, and what they are asked."""

    name: str
    figure: str
    ours: Start
    peers: tuple[Peer, ...]
    load: Load
    pinned: bool = True
    """One worker each, on a core of its own."""

    def measure(self, options: Options) -> list[Row]:
        """Measure; a row a peer, in their order."""
        missing: dict[str, str] = {}
        rounds = self._rounds(options, missing)
        return [
            self._missing(peer, missing[peer.name]) if peer.name in missing else self._row(peer, rounds)
            for peer in self.peers
        ]

    def _rounds(self, options: Options, missing: dict[str, str]) -> list[dict[str, Told]]:
        """What each was told to cost, a round each; who can't be started is put into `missing`."""
        found: list[dict[str, Told]] = []
        until = time.monotonic() + options.budget
        while len(found) < options.pairs and not (found and time.monotonic() > until):
            with ExitStack() as stack:
                served = self._start(stack, missing)
                for each in served.values():
                    options.programs.run(self.load, each, _SETTLE_S, pinned=self.pinned)
                for number in range(min(_ROUNDS_A_START, options.pairs - len(found))):
                    if found and time.monotonic() > until:
                        break
                    order = list(served)[:: -1 if number % 2 else 1]
                    told = {
                        who: options.programs.run(self.load, served[who], options.seconds, pinned=self.pinned)
                        for who in order
                    }
                    found.append(told)
        return found

    def _start(self, stack: ExitStack, missing: dict[str, str]) -> dict[str, Served]:
        served = {who: stack.enter_context(self.ours()) for who in (_OURS, _AGAIN)}
        for peer in self.peers:
            try:
                served[peer.name] = stack.enter_context(peer.start())
            except Missing as reason:
                missing[peer.name] = str(reason)
        return served

    def _title(self, peer: Peer) -> str:
        return f"{self.figure}, against {peer.name}"

    def _missing(self, peer: Peer, reason: str) -> Row:
        least = "" if peer.least is None else f"{peer.least:.2f}"
        return Row(self.name, self._title(peer), "-", least, doubt=reason)

    def _row(self, peer: Peer, rounds: list[dict[str, Told]]) -> Row:
        ratios = [each[peer.name].cpu_us / each[_OURS].cpu_us for each in rounds]
        twice = statistics.median(each[_AGAIN].cpu_us / each[_OURS].cpu_us for each in rounds)
        low, value, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        ours, theirs = ([each[who] for each in rounds] for who in (_OURS, peer.name))
        details = (
            f"{_cost('prefork', ours)}, {_cost(peer.name, theirs)}; the same twice {twice:.3f}, {len(rounds)} pairs"
        )
        return Row(
            self.name,
            self._title(peer),
            f"{value:.3f}",
            "" if peer.least is None else f"{peer.least:.2f}",
            None if peer.least is None else value >= peer.least,
            doubt(twice, len(rounds), sum(each.failures for each in (*ours, *theirs))),
            details,
            Ratio(peer.name, value, low, high, twice),
            peer.least,
        )


def _cost(who: str, told: list[Told]) -> str:
    each, rate = (statistics.median(column) for column in ([t.cpu_us for t in told], [t.per_second for t in told]))
    return f"{who} {each:.2f} us at {rate:,.0f}/s"


def alike(twice: float) -> bool:
    """Whether two of the same came out as such."""
    return 1 - ALIKE <= twice <= 1 + ALIKE


def doubt(twice: float, pairs: int, failures: int) -> str:
    """Why such a ratio doesn't count: nothing, where it does."""
    reasons = []
    if not alike(twice):
        reasons.append(f"the same twice is {twice:.3f}")
    if pairs < ENOUGH:
        reasons.append(f"{pairs} of {ENOUGH} pairs")
    if failures:
        reasons.append(f"{failures} failures")
    return ", ".join(reasons)
