"""How far a long computation is: a bar on stderr where that is a terminal, else nothing."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork.simulation import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.simulation.traffic import Seed, Session

_STEPS = 200
"""Of one run."""
_EVERY_S = 0.1
"""From one drawing of the bar to the next."""


@dataclass(frozen=True)
class Watched(Traffic):
    """The same load, which tells how much of its time has come."""

    load: Traffic
    tell: Callable[[float], None]

    @property
    def lasts_ns(self) -> int:
        """As the load."""
        return self.load.lasts_ns

    @property
    def settled_at(self) -> int | None:
        """As the load."""
        return self.load.settled_at

    def sessions(self, seed: Seed) -> Iterator[Session]:
        """As the load."""
        end, due = self.load.lasts_ns, 0
        for session in self.load.sessions(seed):
            if session[0] >= due:
                self.tell(session[0] / end)
                due = session[0] + end // _STEPS
            yield session


@contextmanager
def shown(what: str, runs: int) -> Iterator[Callable[[int, float], None]]:
    """Give what hears how far each of the runs is, 1 being done. No thread is started: it may be forked around."""
    if not sys.stderr.isatty():
        yield lambda _index, _share: None
        return
    from rich.console import Console  # noqa: PLC0415 - 50 ms, for nothing where nobody looks
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), auto_refresh=False, transient=True)
    far = [0.0] * runs
    with bar:
        drawn_at = 0.0
        task = bar.add_task(f"{what}, {runs} runs" if runs > 1 else what, total=runs)

        def told(index: int, share: float) -> None:
            nonlocal drawn_at
            far[index] = max(far[index], share)
            now = time.monotonic()
            refresh = now >= drawn_at + _EVERY_S or share == 1
            drawn_at = now if refresh else drawn_at
            bar.update(task, completed=sum(far), refresh=refresh)

        yield told
