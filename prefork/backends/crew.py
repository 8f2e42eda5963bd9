"""Who serves sessions that may block: a crew of threads (or greenlets), beside the loop that accepts.

Theory. A session that blocks has a thread of its own until it is over. The thread is there before its connection is
accepted, so that who is out of threads accepts nobody; it is used again, so that a worker has as many as it ever had
sessions at once. No thread can be ended from outside: one that doesn't come to hear of a drain's deadline is left
behind.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, NoReturn, Protocol

from prefork.backends.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.backends.host import Host
    from prefork.backends.tether import Tether

_log = logging.getLogger("prefork.worker")


@dataclass(frozen=True)
class CrewOptions:
    """What each loop with a crew of threads can be told."""

    max_threads: int = 1000
    """Most sessions of a worker that have a thread each, where `max_sessions` is 0 or more."""

    def __post_init__(self) -> None:
        if isinstance(self.max_threads, bool) or not isinstance(self.max_threads, int) or self.max_threads < 1:
            raise ValueError(f"max_threads {self.max_threads!r}: expected a number of threads, 1 or more")


class Crew(Protocol):
    """Threads, or what is as good."""

    blocks: bool
    """Whether one that waits in the kernel holds up no other."""

    def hire(self) -> None:
        """One more who can sit at the same time; called before an accept. Raises OSError where nobody more can."""

    def sit(self, live: Callable[[], None], /) -> None:
        """Have `live` called, now, in a thread that does nothing else until it returns."""

    def behind(self) -> int:
        """How many calls to `sit` nobody has come to yet."""

    def poller(self) -> select.poll:
        """A new poll, that waits as such a thread may wait."""

    def blocking(self, connection: socket.SocketType, /) -> socket.socket:
        """The connection, which blocks, taken over as a socket that blocks such a thread alone."""

    def ident(self) -> object:
        """The thread that calls this, as a value that can be compared."""


class Threads:
    """A crew of threads, made when needed and used again."""

    def __init__(self) -> None:
        self._seats: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.blocks = True
        self.behind = self._seats.qsize
        self.poller = select.poll
        self.ident = threading.get_ident

    def hire(self) -> None:
        """A thread more. Raises OSError where the system refuses one."""
        try:
            threading.Thread(target=self._work, name="prefork-session", daemon=True).start()
        except RuntimeError as error:
            raise OSError(errno.ENOMEM, str(error)) from None

    def sit(self, live: Callable[[], None], /) -> None:
        """Have `live` called in a thread; one is free, or about to be."""
        self._seats.put(live)

    def blocking(self, connection: socket.SocketType, /) -> socket.socket:
        """The connection as the standard library's socket."""
        return socket.socket(connection.family, connection.type, connection.proto, connection.detach())

    def _work(self) -> None:
        while True:
            self._seats.get()()


class CrewTurns(Turns):
    """The serving loop of a worker whose sessions have threads; it ends without those that don't return."""

    accepts = 32
    """Who is taken begins beside the others, however many: more are taken with less by one turn."""

    def __init__(self, host: Host, tether: Tether, listeners: Sequence[socket.socket], crew: Crew) -> None:
        super().__init__(host, tether, listeners)
        self.tether = tether
        self.crew = crew
        self.fresh: list[Callable[[], None]] = []
        """Who was accepted in this turn, to be called in a thread."""

    def behind(self) -> int:
        """Who was accepted and has not begun is work that waits: for the interpreter, which this thread has."""
        return super().behind() + self.crew.behind()

    @property
    def is_done(self) -> bool:
        """There is nothing left to do, or nothing that could be done about it."""
        return super().is_done or self._left_ns() <= 0

    def patience(self) -> float:
        """Seconds that the next turn may wait for."""
        return max(0, min(super().patience(), self._left_ns() / 1e9))

    def ended(self) -> None:
        """The loop is about to wait: the threads begin now, and don't fight with this one over the interpreter."""
        if self.fresh:
            for each in self.fresh:
                self.crew.sit(each)
            self.fresh.clear()
        super().ended()

    def stop(self) -> None:
        """The last session is over; or else some are left behind, and the app is not told that they are over."""
        if super().is_done:
            super().stop()
        else:
            _log.error("left behind %d sessions, each in code that doesn't return", len(self.door.held))

    def _left_ns(self) -> int:
        """Until who still lives is left behind."""
        return self.tether.last_moment - self.now


def leave(error: BaseException) -> NoReturn:
    """Posted by a thread whose session raised what ends the worker."""
    raise error
