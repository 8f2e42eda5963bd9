"""A link on a non-blocking socket that an epoll, or a poll, waits for."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

from prefork.backends.ends import CLOSED
from prefork.backends.link import RESET, Link

if TYPE_CHECKING:
    from prefork.backends.backlog import Piece
    from prefork.backends.host import Host

    Poller = select.epoll | select.poll

READ_BYTES: Final = 64 * 1024
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_DEAF = -1
"""The mask of a connection that isn't watched: HUP can't be masked, and would wake the loop again and again."""


class Connection(Protocol):
    """What a link asks of its socket, or of a stream over one. Everything as a non-blocking socket does it."""

    def fileno(self) -> int:
        """Its descriptor."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read once. Raises OSError."""

    def send(self, piece: Piece, /) -> int:
        """Give bytes to the kernel. Raises OSError."""

    def shutdown(self, how: int, /) -> None:
        """End the output. Raises OSError."""

    def getsockname(self) -> Any:  # noqa: ANN401 - as socket's
        """The name of this end. Raises OSError."""

    def getsockopt(self, level: int, option: int, /) -> int:
        """An option. Raises OSError."""

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Set an option. Raises OSError."""

    def close(self) -> None:
        """Close it."""


class SocketLink(Link):
    """It registers itself with its poller and takes itself off."""

    __slots__ = ("_mask", "_poller", "_socket", "fd", "recv")

    def __init__(
        self,
        host: Host,
        poller: select.epoll | select.poll,
        connection: Connection,
        peer: object,
        listener: object,
    ) -> None:
        super().__init__(host, connection.send, peer, listener)
        self._socket = connection
        self.recv = connection.recv
        self.fd = connection.fileno()
        self._poller = poller
        self._mask = _IN
        poller.register(self.fd, _IN)

    def event(self, mask: int) -> None:
        """The poller says `mask`."""
        if mask & _OUT:
            self.writable()
        if mask & ~_OUT and self._state != CLOSED:
            if self._mask & _IN:
                self.pull()
            elif mask & ~_IN:
                self._broken()

    def pull(self) -> None:
        """Read once."""
        try:
            chunk = self.recv(READ_BYTES)
        except OSError as error:
            self.unread(error)
        else:
            if chunk:
                self.chunk_in(chunk)
            else:
                self.eof_in()

    def _more_waits(self) -> bool:
        try:
            return bool(self.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def unread(self, error: OSError) -> None:
        """Reading failed; that nothing was there is no failure, and who drains may be idle by it."""
        if isinstance(error, BlockingIOError):
            self._settle()
        else:
            self.lost(error)

    def _broken(self) -> None:
        """ERR or HUP while nothing is read: HUP alone means that both ends sent EOF, which a session may outlive."""
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code or self._state:
            code = code or errno.EPIPE
            self.lost(OSError(code, errno.errorcode.get(code, "connection lost")))
        else:
            self._mask = _DEAF
            self._poller.unregister(self.fd)

    def _interest(self) -> None:
        mask = (_IN if self._reads else 0) | (_OUT if self._backlog is not None else 0)
        if self._mask == _DEAF:
            if mask:
                self._poller.register(self.fd, mask)
                self._mask = mask
        elif mask != self._mask:
            self._mask = mask
            self._poller.modify(self.fd, mask)

    def _shut(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def _release(self, *, reset: bool) -> None:
        connection = self._socket
        if reset:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif not self._eof:  # what is read before close makes it FIN; left unread it would be a reset
            with contextlib.suppress(OSError):
                self.recv(READ_BYTES)
        if self._mask != _DEAF:  # by hand, since a child of the user's may hold a copy of the connection open
            self._poller.unregister(self.fd)
        connection.close()

    def _local(self) -> object:
        return self._socket.getsockname()
