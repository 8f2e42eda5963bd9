"""A link whose own thread waits for its peer in recv itself, as long as nothing else could end the wait.

Theory. To wait in recv is one system call, where poll and recv are two, and lets go of the interpreter once less. But a
thread in recv looks at no inbox, and no second descriptor wakes it. Who has something to say to it *interrupts* it: the
connection is made non-blocking, then the thread gets a signal, whose handler does nothing. Python calls recv again
after a signal, and now there is nothing to wait for. If the thread has not come to wait yet, it finds the same, so that
no word is lost between its look at the inbox and its wait. From then on the session's seat waits in poll, for others
may have more to say, and an eventfd costs less than a signal.

So it does while a timer runs, output waits for room, or reading is paused. Hence everything but this one wait must not
block, though the connection does: `PatientSocket` sees to that.
"""

from __future__ import annotations

import signal
from socket import MSG_DONTWAIT, SocketType
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from prefork.backends.posted_link import PostedLink
from prefork.backends.socket_link import READ_BYTES
from prefork.backends.timers import NEVER

if TYPE_CHECKING:
    import select
    from collections.abc import Callable

    from prefork.backends.backlog import Piece
    from prefork.backends.host import Host

_INTERRUPT: Final = signal.SIGURG
"""Ignored where nobody catches it, and used by hardly anybody."""
_recv, _send = SocketType.recv, SocketType.send


def let_interrupt() -> None:
    """Have the signal by which threads are interrupted caught; called by the main thread, before there are any.

    A handler of the app's stays, and is called whenever a thread is interrupted; ignored, no thread would hear of it.
    """
    if signal.getsignal(_INTERRUPT) in (signal.SIG_DFL, signal.SIG_IGN):
        signal.signal(_INTERRUPT, _nothing)


def _nothing(_signum: int, _frame: Any) -> None:  # noqa: ANN401 - Python's own signature
    """That it was caught is all."""


class PatientSocket(SocketType):
    """A socket that blocks, and of which nothing but `wait` does."""

    __slots__ = ()

    wait = _recv
    """Read once, when there is something. Raises BlockingIOError once it was made non-blocking."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read once. Raises BlockingIOError where nothing is there."""
        return _recv(self, size, flags | MSG_DONTWAIT)

    def send(self, piece: Piece, /) -> int:  # type: ignore[override]
        """Give bytes to the kernel. Raises BlockingIOError where it takes none."""
        return _send(self, piece, MSG_DONTWAIT)


class RecvLink(PostedLink):
    """On a PatientSocket."""

    __slots__ = ("_closing", "_interrupted", "_waits")

    _socket: PatientSocket

    def __init__(
        self,
        host: Host,
        poller: select.poll,
        connection: PatientSocket,
        names: tuple[object, object],
        ident: Callable[[], object],
    ) -> None:
        """As PostedLink's; `ident` is threading's."""
        super().__init__(host, poller, connection, names, ident)
        self._closing = Lock()
        self._interrupted = False
        self._waits = False
        """The thread is in recv, or will be without another look at the inbox."""

    def listen(self) -> bool:
        """Serve the peer until there is something else to do; False: there is something else to wait for."""
        if self._interrupted:
            return False
        host, wait = self._host, self._socket.wait
        inbox, dirty, timers = host.inbox, host.dirty, host.timers
        listened = False
        while timers.next_at == NEVER and not (dirty or self._halted or self._eof or self._backlog):
            listened = self._waits = True
            if inbox:
                break
            try:
                chunk = wait(READ_BYTES)
            except OSError as error:
                self._waits = False
                self.unread(error)
            else:
                self._waits = False
                self.chunk_in(chunk) if chunk else self.eof_in()
        self._waits = False
        return listened

    def interrupt(self) -> bool:
        """Have the thread look at its inbox; False: it isn't in recv."""
        if self._waits:
            with self._closing:
                if self._waits:
                    self._waits, self._interrupted = False, True
                    self._socket.setblocking(False)
                    assert isinstance(self._own, int)
                    signal.pthread_kill(self._own, _INTERRUPT)
            return True
        return False

    def _release(self, *, reset: bool) -> None:
        with self._closing:  # or another socket of this number would be made non-blocking
            super()._release(reset=reset)
