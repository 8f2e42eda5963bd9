"""The handshake of TLS, between accept and the session, in the loop that accepts. For every loop that has `Turns`.

Theory. Who is accepted has a place from then on, and is held by the door as a session is; when the handshake is done, a
session takes the place, and the loop's own way of serving it begins (a seat, say: no thread waits for a handshake). One
that fails gives the place back: it is counted in ACCEPTED, CLOSED and REFUSED, and makes no session. One whose peer
never said a word (a health check) is no line in the log, any other is.

A worker that drains lets a handshake go on in which the peer has said something, for its request comes next; who is
silent gets as long as a session that has received nothing.
"""

from __future__ import annotations

import logging
from select import EPOLLIN, EPOLLOUT
from typing import TYPE_CHECKING

from prefork.backends.link import FRESH_NS
from prefork.backends.preface import address
from prefork.backends.socket_link import READ_BYTES
from prefork.backends.tls_stream import TlsStream
from prefork.tls_context import reason

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from prefork.backends.timers import Entry
    from prefork.backends.turns import Turns
    from prefork.tls import ServerTls

_log = logging.getLogger("prefork.session")


class Handshake:
    """One connection's. In the loop's table of links it stands where a link would."""

    def __init__(
        self, turns: Turns, tls: ServerTls, connection: socket.SocketType, names: tuple[object, object]
    ) -> None:
        """`names`: peer and listener, as socket's."""
        self.recv = connection.recv
        self._turns = turns
        self._timeout_ns = tls.handshake_timeout_ns
        self._connection = connection
        self._fd = connection.fileno()
        self._stream = TlsStream(tls.context, connection)
        self._names = names
        self._mask = EPOLLIN
        self._silent = self._under_way = True
        self._fresh_until = 0
        self._timers: list[Entry] = []
        turns.epoll.register(self._fd, EPOLLIN)
        turns.links[self._fd] = self

    # -- for the door --------------------------------------------------------------------------------------------------

    def open(self, now: int, /) -> None:
        """Wait for the peer's first word, as long as the listener allows."""
        self._fresh_until = now + FRESH_NS
        self._call_at(now + self._timeout_ns, self._fail, f"not done after {self._timeout_ns / 1e9:g} s")

    def drain(self, now: int, _seconds_left: float, /) -> None:
        """The worker drains."""
        if self._silent:
            self._call_at(max(now, self._fresh_until), self._grown)

    def expire(self) -> None:
        """The drain's deadline is reached."""
        self._fail("the worker's drain_timeout is over")

    # -- for the loop, as a link ---------------------------------------------------------------------------------------

    def event(self, mask: int) -> None:
        """The poller says `mask`."""
        try:
            if mask & EPOLLOUT:
                self._stream.push()
            if mask & ~EPOLLOUT:
                chunk = self.recv(READ_BYTES)
                self.chunk_in(chunk) if chunk else self.eof_in()
            else:
                self._interest()
        except OSError as error:
            self.unread(error)

    def unread(self, error: OSError) -> None:
        """Reading failed."""
        if not isinstance(error, BlockingIOError):
            self._fail(reason(error))

    def eof_in(self) -> None:
        """The peer is gone."""
        self._fail("the peer has closed the connection")

    def chunk_in(self, chunk: bytes) -> None:
        """The peer sent `chunk`."""
        self._silent = False
        try:
            is_done = self._stream.handshake(chunk)
        except OSError as error:
            self._fail(reason(error))
        else:
            self._serve() if is_done else self._interest()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _interest(self) -> None:
        mask = EPOLLIN | (EPOLLOUT if self._stream.is_stuck else 0)
        if mask != self._mask:
            self._mask = mask
            self._turns.epoll.modify(self._fd, mask)

    def _serve(self) -> None:
        """A session takes the place."""
        turns = self._turns
        self._leave()
        turns.door.take(turns.serve(self._stream, *self._names, tls=True), turns.now)

    def _call_at(self, when: int, fn: Callable[..., None], *args: str) -> None:
        self._timers.append(self._turns.host.timers.add(when, fn, *args))

    def _grown(self) -> None:
        if self._silent:
            self._fail("the worker drains")

    def _fail(self, why: str) -> None:
        if not self._under_way:
            return
        self._leave()
        if not self._silent:
            _log.info("no session with %s: TLS handshake: %s", address(self._names[0]), why)
        self._connection.close()
        self._turns.door.turned_away()

    def _leave(self) -> None:
        self._under_way = False
        for timer in self._timers:
            timer.cancel()
        del self._turns.links[self._fd]
        self._turns.epoll.unregister(self._fd)
        self._turns.door.held.discard(self)
