"""The loop named `threads`: a thread a session, so that its callbacks may block; one more thread accepts and obeys.

Theory. The serving loop (the main thread) has listeners, channel and signals alone: it accepts, beats, and it alone
writes the slot. Each session has a *seat*: a host of its own, whose small loop (a poll of the connection and of an
eventfd) runs in a thread of a pool. So nothing of a session is ever touched by two threads: what others have to say to
it is posted to its seat, and what it has to say to the worker is posted to the serving loop. Before a session is over
its thread is not given to another; the cap is the number of threads, or less.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.host import Host
from prefork.backends.seat import Desk, Seat
from prefork.backends.turns import MAX_EVENTS, Turns

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

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
        turns = ThreadTurns(Host(app, tether), tether, listeners)
        try:
            turns.start()
            while not turns.is_done:
                turns.began(turns.epoll.poll(turns.patience(), MAX_EVENTS))
                turns.ended()
            turns.stop()
        finally:
            turns.close()


class ThreadTurns(Turns):
    """The serving loop: sessions get a seat instead of a place in its epoll."""

    def __init__(self, host: Host, tether: Tether, listeners: Sequence[socket.socket]) -> None:
        super().__init__(host, tether, listeners)
        self.tether = tether
        self.pool = ThreadPoolExecutor(tether.gate.max_sessions, "prefork-session")
        self.desks: list[Desk] = []
        """Those that are free."""

    def accept(self, listener: socket.socket, family: int, /) -> socket.SocketType:
        """Take a connection, if there is a desk for it."""
        if not self.desks:
            self.desks.append(Desk())
        return super().accept(listener, family)

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> Seat:
        """A seat for the connection."""
        return Seat(self, connection, peer, listener)


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `threads`."""
    return [ThreadsBackend()]
