"""TLS of a listener, as plain values that cross a process and as workers use it; `tls_context` makes one of the other.

`tls_context` imports the module `ssl` (3 MB): it is imported where there is TLS alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ssl import SSLContext


class TlsSettings(NamedTuple):
    """What `[listen.tls]` says. Paths are absolute; files are PEM."""

    cert: str
    key: str
    """It may be the file of the certificate."""
    client_ca: str | None
    """Who may have signed a client's certificate; None: nobody is asked for one."""
    client_must: bool
    """A client without a certificate is refused."""
    alpn: list[str]
    """By preference; empty: none is spoken of."""
    min_version: str
    """`1.2` or `1.3`."""
    handshake_timeout_ns: int


class ServerTls(NamedTuple):
    """A listener's TLS, ready to be used."""

    context: SSLContext
    handshake_timeout_ns: int
