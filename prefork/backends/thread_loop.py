"""The loop named `threads`: a thread a session, so that its callbacks may block."""

from __future__ import annotations

import errno
import select
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.host import Host
from prefork.backends.seat import SeatTurns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from prefork.app.app import App
    from prefork.app.styles import Style, Support
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
    styles: Mapping[Style, Support] = {"session": "native", "coroutine": "native"}
    options = ThreadsOptions

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve `app` until the worker is done."""
        assert isinstance(options, ThreadsOptions)
        tether.gate.hold_at_most(options.max_threads)
        SeatTurns(Host(app, tether), tether, listeners, Threads()).run()


class Threads:
    """A crew of threads, made when needed and used again: one for each poll."""

    def __init__(self) -> None:
        self._seats: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.ident = threading.get_ident

    def poller(self) -> select.poll:
        """A poll, and a thread more. Raises OSError where the system refuses one."""
        try:
            threading.Thread(target=self._work, name="prefork-session", daemon=True).start()
        except RuntimeError as error:
            raise OSError(errno.ENOMEM, str(error)) from None
        return select.poll()

    def sit(self, live: Callable[[], None], /) -> None:
        """Have `live` called in a thread; one is free, or about to be."""
        self._seats.put(live)

    def _work(self) -> None:
        while True:
            self._seats.get()()


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `threads`."""
    return [ThreadsBackend()]
