"""A link on a non-blocking socket; what is left to the loop is to wait for it."""

from __future__ import annotations

import contextlib
import socket
import struct
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from prefork.backends.link import Link

if TYPE_CHECKING:
    from prefork.backends.host import Host

READ_BYTES: Final = 64 * 1024
_RESET = struct.pack("ii", 1, 0)


class SocketLink(Link):
    """A loop's subclass brings `_interest` and `_forget`."""

    __slots__ = ("_socket", "fd", "recv")

    def __init__(self, host: Host, connection: socket.SocketType, peer: object, listener: object) -> None:
        super().__init__(host, connection.send, peer, listener)
        self._socket = connection
        self.recv = connection.recv
        self.fd = connection.fileno()

    @abstractmethod
    def _forget(self) -> None:
        """Stop watching the connection; by hand, since a child of the user's may hold a copy of it open."""

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

    def unread(self, error: OSError) -> None:
        """Reading failed; that nothing was there is no failure."""
        if not isinstance(error, BlockingIOError):
            self.lost(error)

    def _shut(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def _release(self, *, reset: bool) -> None:
        connection = self._socket
        if reset:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif not self._eof:  # what is read before close makes it FIN; left unread it would be a reset
            with contextlib.suppress(OSError):
                self.recv(READ_BYTES)
        self._forget()
        connection.close()

    def _local(self) -> object:
        return self._socket.getsockname()
