"""What stands between accept and the session, for every loop. TLS is a preface of its own: `handshake`."""

from __future__ import annotations

import errno
import os
import socket
import struct
from socket import SocketType

from prefork.app.session import Address

Accepted = tuple[SocketType, object]
"""A connection, and its peer's name as socket's."""

_TCP = (socket.AF_INET, socket.AF_INET6)
_TCP_INFO = struct.Struct("=B43xI")
"""Of struct tcp_info (linux/tcp.h): tcpi_state, its first byte, and tcpi_last_data_sent."""
_TCP_CLOSE = 7
"""The state of a connection that is no more."""


def prepare(listener: socket.socket) -> None:
    """Make accepts non-blocking, and every accepted TCP connection TCP_NODELAY: on Linux it inherits that."""
    listener.setblocking(False)
    if listener.family in _TCP:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def accept(
    listener: socket.socket, family: int, kind: type[SocketType] = SocketType, *, blocks: bool = False
) -> Accepted:
    """Take one connection, that blocks or doesn't. Raises OSError; BlockingIOError when nobody waits.

    `listener.accept()` without its layer of Python, which asks for the listener's family and type each time.
    """
    fd, peer = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - what socket.accept itself calls
    connection = kind(family, socket.SOCK_STREAM, 0, fd)
    if not blocks:
        connection.setblocking(False)
    return connection, peer


def waited(connection: socket.SocketType) -> int | None:
    """Return for how many ms a connection that was accepted just now had waited for it; None: the kernel doesn't tell.

    Nothing has been sent yet, so that `tcpi_last_data_sent` counts from the handshake's end; in the kernel's ticks, of
    1 to 10 ms. Raises OSError when the connection is gone: one reset before its accept is accepted all the same.
    """
    if connection.family not in _TCP:
        return None
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    state, since_last_sent = _TCP_INFO.unpack(info)
    if state == _TCP_CLOSE:
        raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
    return int(since_last_sent)


def address(name: object) -> Address:
    """What `name`, a socket module's address, stands for."""
    if isinstance(name, tuple):
        return Address(name[0], name[1])
    return Address(name.decode(errors="replace") if isinstance(name, bytes) else str(name), None)
