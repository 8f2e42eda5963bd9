"""Decisions become kernel calls here, and the records' wishes become words in the slots; nothing is decided.

Theory. A spawn, a kill and a mold's start are calls. Pause, resume, retire and drain are not: performing them changes
the record, and `tell` writes whatever the records now want and rings. So a worker's WANTED word is a function of its
record.
"""

from __future__ import annotations

import signal
from itertools import count
from typing import TYPE_CHECKING

from prefork.master.facts import Performed
from prefork.policy.model import EndMold, GiveUp, Kill, KillStep, Spawn, StartMold, WorkerId

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import ServerConfig
    from prefork.master.kernel import Kernel
    from prefork.master.scoreboard import Scoreboard
    from prefork.mold.settings import MoldSettings
    from prefork.policy.model import Decision

_SIGNALS = {KillStep.DUMP: signal.SIGQUIT, KillStep.ABORT: signal.SIGABRT, KillStep.KILL: signal.SIGKILL}
SWEEP = 100_000_000
"""ns from seal to shut, at least: handshakes under way at the seal end in the queue, and the workers take them."""


class Effects:
    """Performs. `settings(config)` says what a mold is told."""

    def __init__(self, kernel: Kernel, board: Scoreboard, settings: Callable[[ServerConfig], MoldSettings]) -> None:
        self._kernel = kernel
        self._board = board
        self._settings = settings
        self._ids = count(1)
        self._sealed_at: int | None = None
        self._shut = False

    @property
    def next_at(self) -> int | None:
        """When sealed listeners are to be looked at again."""
        return None if self._shut or self._sealed_at is None else self._sealed_at + SWEEP

    def perform(self, decision: Decision, now: int) -> Performed:
        """Carry out one decision; what the system refuses comes as a fact from `kernel.wait`."""
        match decision:
            case Spawn(generation=generation):
                worker = WorkerId(next(self._ids))
                self._kernel.fork(worker, generation, self._board.words_at_birth(worker))
                return Performed(decision, now, worker)
            case Kill(worker=victim, step=step):
                self._kernel.signal(victim, _SIGNALS[step])
            case StartMold(generation=generation):
                settings = self._settings(self._board.config_of(generation))._replace(generation=generation)
                self._kernel.start_mold(generation, settings._asdict())
            case EndMold(generation=generation, force=force):
                self._kernel.end_mold(generation, force=force)
            case GiveUp():
                pass  # a goal, which the board takes over
            case _:
                pass  # a wish, which `tell` writes
        return Performed(decision, now)

    def tell(self, now: int) -> None:
        """Every worker's words say what its record wants; a stop has sealed the listeners first."""
        stopping = self._board.goals.stopping(now)
        if stopping:
            self._close_listeners(now)
        for worker in self._board.workers.values():
            wanted = worker.wanted(sweep=stopping and not self._shut)
            if wanted != worker.told:
                worker.told = wanted
                self._kernel.tell(worker.id, *wanted)

    def _close_listeners(self, now: int) -> None:
        if self._sealed_at is None:
            self._sealed_at = now
            self._kernel.seal()
        elif not self._shut and now >= self._sealed_at + SWEEP:
            self._sealed_at = now
            if all(queue.length == 0 for queue in self._kernel.queues()):
                self._shut = True
                self._kernel.shut()
