"""The loop named `threads`: a thread a session, so that its callbacks may block."""

from __future__ import annotations

import select
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.host import Host
from prefork.backends.seat import SeatTurns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from prefork.app.app import App
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether


@dataclass(frozen=True)
class ThreadsOptions:
    """`[backends.threads]`."""

    max_threads: int = 1000
    """Most sessions of a worker, a thread each, where `max_sessions` is 0 or more."""

    def __post_init__(self) -> None:
        if isinstance(self.max_threads, bool) or not isinstance(self.max_threads, int) or self.max_threads < 1:
            raise ValueError(f"max_threads {self.max_threads!r}: expected a number of threads, 1 or more")


class ThreadsBackend:
    """A thread a session: callbacks may block."""

    name = "threads"
    contract = CONTRACT
    styles = frozenset({"session"})
    options = ThreadsOptions

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve `app` until the worker is done."""
        assert isinstance(options, ThreadsOptions)
        tether.gate.hold_at_most(options.max_threads)
        crew = Threads(tether.gate.max_sessions)
        turns = SeatTurns(Host(app, tether), tether, listeners, crew)
        try:
            turns.start()
            while not turns.is_done:
                turns.turn(turns.patience())
            turns.stop()
        finally:
            turns.close()


class Threads:
    """A crew of threads, made when needed and used again."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, "prefork-session")
        self.ident = threading.get_ident
        self.poller = select.poll

    def sit(self, live: Callable[[], None], /) -> None:
        """Have `live` called in a thread; there are as many as the gate lets in."""
        self._pool.submit(live)


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `threads`."""
    return [ThreadsBackend()]
