"""Certificates for tests, and a client that speaks TLS in lines."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any, Self

import trustme

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.testing import LivePool


class Authority:
    """Signs; its files are in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.pem = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.pem)

    def issue(self, name: str = "server.pem", *hosts: str) -> Path:
        """A file with certificate and key, for this machine's own names unless others are said."""
        path = self._folder / name
        issued = self._ca.issue_cert(*(hosts or ("localhost", "127.0.0.1", "127.0.0.2")))
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def context(self) -> ssl.SSLContext:
        """A client's."""
        return ssl.create_default_context(cafile=self.pem)

    def listen(self, url: str = "tcp://127.0.0.1:0", **more: Any) -> dict[str, Any]:
        """A `[[listen]]` table."""
        return {"url": url, "tls": {"cert": str(self.issue()), **more}}


class TlsClient:
    """One connection to a pool; every wait has a deadline, and an end without close_notify is an error."""

    def __init__(self, pool: LivePool, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        address = pool.address
        bare = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        bare.settimeout(5)
        bare.connect(address)
        self.socket = context.wrap_socket(
            bare, server_hostname="localhost", session=session, suppress_ragged_eofs=False
        )
        self._file = self.socket.makefile("rb")

    def ask(self, line: str) -> str | None:
        self.socket.sendall(line.encode() + b"\n")
        return self.hear()

    def hear(self) -> str | None:
        """The next line; None at the end of the stream."""
        line = self._file.readline()
        return line.decode().rstrip("\n") if line else None

    @property
    def served_by(self) -> bytes:
        """The server's certificate."""
        der = self.socket.getpeercert(binary_form=True)
        assert der is not None
        return der

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()
