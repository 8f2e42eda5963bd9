"""The context of a listener's TLS, made of its settings; each mistake of the files is told in one line.

Theory. The context is made in the mold, before it forks: its workers share the keys of session tickets, so that a
client resumes with any of them, and a new generation reads the files anew. The master makes one as well, to judge the
files before it binds or reloads, and throws it away.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any, NoReturn, Self

from prefork.errors import ConfigError
from prefork.tls import ServerTls

if TYPE_CHECKING:
    from prefork.tls import TlsSettings


_NUMBERS = re.compile(r"^\[[A-Z0-9]*\] | \(_ssl\.c:[0-9]+\)$")
"""What Python puts around OpenSSL's words."""


class ServerObject(ssl.SSLObject):
    """The server's end of one connection."""

    server_name: str | None = None
    """The name that the client asked for; told in the handshake."""

    def _sslsock(self) -> Self:
        """Tell gevent's SSLContext who it is: it takes each caller of its SNI callback for a socket of its own."""
        return self


def open_tls(url: str, settings: TlsSettings) -> ServerTls:
    """Read the files and make the context. Raises ConfigError, in one line that names `url` and the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if settings.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.sslobject_class = ServerObject
    context.sni_callback = _note_server_name
    if settings.alpn:
        context.set_alpn_protocols(settings.alpn)
    try:
        _load_pair(context, settings)
        if settings.client_ca is not None:
            _load_client_ca(context, settings.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if settings.client_must else ssl.CERT_OPTIONAL
    except _Mistake as mistake:
        raise ConfigError(f"listen {url}: tls.{mistake}") from None
    return ServerTls(context, settings.handshake_timeout_ns)


def reason(error: OSError) -> str:
    """What went wrong, in OpenSSL's words or the system's, without their numbers."""
    said = getattr(error, "reason", None)
    text = str(said).replace("_", " ").lower() if said else _NUMBERS.sub("", str(error.strerror or error))
    why = getattr(error, "verify_message", None)
    return f"{text}: {why}" if why else text


class _Mistake(Exception):  # noqa: N818 - told as a ConfigError
    """`key file: what is wrong with it`."""


def _note_server_name(connection: Any, name: str | None, _context: object) -> None:  # noqa: ANN401 - as ssl's
    connection.server_name = name


def _load_pair(context: ssl.SSLContext, settings: TlsSettings) -> None:
    cert, key = settings.cert, settings.key
    _want("cert", cert, "CERTIFICATE", "no certificate")
    _want("key" if key != cert else "cert", key, "PRIVATE KEY", "no private key")
    try:
        context.load_cert_chain(cert, key, password=lambda: _encrypted(key))
    except OSError as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise _Mistake(f"key {key}: it is not the key of {cert}") from None
        raise _Mistake(f"cert {cert}, key {key}: {_file_trouble(error)}") from None


def _load_client_ca(context: ssl.SSLContext, path: str) -> None:
    _want("client_ca", path, "CERTIFICATE", "no certificate")
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise _Mistake(f"client_ca {path}: {_file_trouble(error)}") from None


def _want(field: str, path: str, kind: str, lacks: str) -> None:
    """Refuse a file that can't be read, or has no PEM block of that kind: OpenSSL doesn't say which file it was."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise _Mistake(f"{field} {path}: {error.strerror}") from None
    if f"{kind}-----".encode() not in text:
        cure = ": say key = …" if (field, kind) == ("cert", "PRIVATE KEY") else ""
        raise _Mistake(f"{field} {path}: there is {lacks} (PEM) in it{cure}")


def _encrypted(key: str) -> NoReturn:
    raise _Mistake(f"key {key}: it has a passphrase, and nobody is here to say it: take it off with `openssl pkey`")


def _file_trouble(error: OSError) -> str:
    said = reason(error)
    return "it is no proper PEM file" if said == "PEM lib" else said
