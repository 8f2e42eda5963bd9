"""A client's end over TLS, with a socket's methods, and a certificate for both ends. Wants the package `trustme`.

Python's own SSLSocket can't end its output and go on reading, as peers in this suite do; this one can.
"""

from __future__ import annotations

import atexit
import contextlib
import socket
import ssl
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.tls import TlsSettings

if TYPE_CHECKING:
    from typing import Self

NAME = "prefork.test"
PATIENCE_NS = 10_000_000_000


class Certificates(NamedTuple):
    """What both ends are told."""

    server: TlsSettings
    """Of any client."""
    client: ssl.SSLContext
    """That has no certificate."""
    known: ssl.SSLContext
    """That has one."""
    authority: str
    """The file of who signed both."""


@cache
def certificates() -> Certificates:
    """One pair for this process."""
    import trustme  # noqa: PLC0415 - for suites over TLS alone

    folder = tempfile.TemporaryDirectory(prefix="prefork-contract-")
    atexit.register(folder.cleanup)
    authority = trustme.CA()
    pem = Path(folder.name) / "server.pem"
    authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(pem)
    signer = Path(folder.name) / "ca.pem"
    authority.cert_pem.write_to_path(signer)
    client, known = (ssl.create_default_context(cafile=signer) for _ in range(2))
    authority.issue_cert("known@prefork.test").configure_cert(known)
    server = TlsSettings(
        cert=str(pem),
        key=str(pem),
        client_ca=None,
        client_must=False,
        alpn=[],
        min_version="1.2",
        handshake_timeout_ns=PATIENCE_NS,
    )
    return Certificates(server, client, known, str(signer))


class TlsSocket:
    """A blocking one over `connection`, which has a deadline; `shake_hands` comes first."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=NAME)
        self.close = connection.close
        self.fileno = connection.fileno
        self.getsockname = connection.getsockname
        self.getsockopt = connection.getsockopt
        self.setsockopt = connection.setsockopt
        self.setblocking = connection.setblocking
        self.settimeout = connection.settimeout

    def shake_hands(self) -> Self:
        """To the end. Raises OSError."""
        while not self.is_shaken():
            self.leave()
            self.feed()
        self.leave()
        return self

    def is_shaken(self) -> bool:
        """Whether only what waits to `leave` is left of the handshake."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def leave(self) -> None:
        """Send what is sealed."""
        self._socket.sendall(self._out.read())

    def seal(self, piece: bytes) -> bytes:
        """Its records, which somebody else sends."""
        self._object.write(piece)
        return self._out.read()

    def feed(self) -> None:
        """Take in what the peer has sent; wait for it."""
        if chunk := self._socket.recv(1 << 18):
            self._in.write(chunk)
        else:
            self._in.write_eof()

    def sendall(self, piece: bytes) -> None:
        """Send it."""
        self._object.write(piece)
        self.leave()

    def send(self, piece: bytes) -> int:
        """Send it, or begin to. Raises BlockingIOError when the kernel takes no more; then nothing can follow."""
        self._socket.sendall(self.seal(piece))
        return len(piece)

    def recv(self, size: int) -> bytes:
        """The next bytes; empty after close_notify. Raises ssl.SSLEOFError for an end without it."""
        while True:
            try:
                return self._object.read(size)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                self.feed()

    def shutdown(self, _how: int) -> None:
        """End the output by a close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._object.unwrap()
        self.leave()
