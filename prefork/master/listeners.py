"""Listening sockets: made, bound when the app is there, asked for their accept queue, and stopped without a reset.

A mold is handed them unbound: a descriptor stands for the same socket in every process, so that `bind` and `listen` in
the master hold for all. Nothing is bound before the app is known to run (docs/decisions/0022).

Theory of stopping. The workers hold the same sockets, so that `close` here ends nothing, and `shutdown` at once resets
what waits in the queue. Hence three steps. *Seal*: a socket filter drops every bare SYN (the client will try again in a
second); a Unix socket's name is unlinked. *Sweep*: the workers take what is queued. *Shut*: shutdown; a client that
tries again is refused. A packet reaches the filter at its TCP header, whose byte 13 holds the flags (RFC 9293, 3.1).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import socket
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.address import Address, UnixAddress
from prefork.errors import ConfigError
from prefork.master.unix_queue import unix_queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SO_ATTACH_FILTER = 26
_TCP_INFO_UNACKED = struct.Struct("=24xII")
"""tcpi_unacked, tcpi_sacked: on a listening socket the accept queue's length and its limit (tcp_diag does the same)."""

_DROP_BARE_SYN = (
    (0x30, 0, 0, 13),  # A = the flags byte
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # let pass
)


class Queue(NamedTuple):
    """An accept queue; None where the kernel doesn't tell: of a Unix socket without sock_diag, unless it is empty."""

    length: int | None
    limit: int | None


class Listener:
    """One non-blocking socket, which listens from `listen` on."""

    def __init__(self, address: Address, backlog: int) -> None:
        """Raises ConfigError where no such socket can be, whoever asks."""
        self.address = address
        """With the port that was really bound, from `bind` on."""
        self.sealed = self.shut_down = self.listens = False
        self._backlog = backlog
        self._identity: tuple[int, int] | None = None
        with _told(address):
            self.socket, self._name = _socket(address)

    @property
    def url(self) -> str:
        """The address as text."""
        return str(self.address)

    def bind(self) -> None:
        """Take the address. Raises ConfigError."""
        with _told(self.address):
            if isinstance(self.address, UnixAddress):
                remove_stale(self.address.path)
                self.socket.bind(self._name)
                self._identity = identity(self.address.path)
            else:
                self.socket.bind(self._name)
                self.address = self.address._replace(port=self.socket.getsockname()[1])

    def listen(self) -> None:
        """Let clients come. Raises ConfigError."""
        with _told(self.address):
            self.socket.listen(self._backlog)
        self.listens = True

    def queue(self) -> Queue:
        """How many connections wait to be accepted."""
        if not self.listens:
            return Queue(0, None)
        if isinstance(self.address, UnixAddress):
            told = unix_queue(self.socket)
            return Queue(None if _readable(self.socket) else 0, None) if told is None else Queue(*told)
        try:
            info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        except OSError:
            return Queue(None, None)
        return Queue(*_TCP_INFO_UNACKED.unpack_from(info))

    def seal(self) -> None:
        """No new connection arrives from now on; those that did are still to be accepted."""
        if self.sealed:
            return
        self.sealed = True
        if isinstance(self.address, UnixAddress):
            with contextlib.suppress(OSError):
                if identity(self.address.path) == self._identity:  # and not a newer instance's
                    os.unlink(self.address.path)
        else:
            with contextlib.suppress(OSError):
                _attach_filter(self.socket)

    def shut(self) -> None:
        """Refuse connections, in every process that holds the socket. What still waited is reset."""
        if not self.shut_down:
            self.shut_down = True
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Seal, shut and close: the port is free when the last process has closed it."""
        self.seal()
        self.shut()
        self.socket.close()


def open_all(listeners: Sequence[Listener]) -> None:
    """Bind every one, then listen on every one. Raises ConfigError, having closed them all."""
    try:
        for listener in listeners:
            listener.bind()
        for listener in listeners:
            listener.listen()
    except ConfigError:
        for listener in listeners:
            listener.close()
        raise


def _readable(sock: socket.socket) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


def _attach_filter(sock: socket.socket) -> None:
    code = b"".join(struct.pack("=HBBI", *step) for step in _DROP_BARE_SYN)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(_DROP_BARE_SYN), ctypes.addressof(kept))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


@contextlib.contextmanager
def _told(address: Address) -> Iterator[None]:
    """What the system refuses is the user's to change."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"listen {address}: {_cure(address, error)}") from None


def _socket(address: Address) -> tuple[socket.socket, Any]:
    """A socket for the address, and the name that it is to be bound to. Raises OSError."""
    if isinstance(address, UnixAddress):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock, address.path
    infos = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, name = infos[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock, name


def _cure(address: Address, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            part = "path" if isinstance(address, UnixAddress) else "port"
            if isinstance(address, UnixAddress) and not Path(address.path).is_socket():
                return "there is a file that is no socket: remove it, or choose another path"
            return f"the address is in use: stop the process that listens there, or choose another {part}"
        case errno.EACCES:
            return "not permitted: a port below 1024 needs CAP_NET_BIND_SERVICE, a socket file a folder that is yours"
        case errno.EADDRNOTAVAIL:
            return "no interface of this machine has that address"
        case _:
            return str(error.strerror or error)


def identity(path: str) -> tuple[int, int]:
    """Device and inode: tells a socket file from another one at the same place."""
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino


def remove_stale(path: str) -> None:
    """Unlink a socket that nobody listens on any more; raise EADDRINUSE where somebody does, or it is no socket."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(mode):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
                return
            except OSError:
                pass
    raise OSError(errno.EADDRINUSE, f"{path} exists")
