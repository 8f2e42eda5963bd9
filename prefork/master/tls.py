"""TLS as the master has to do with it: the files are judged before anything is bound or reloaded, and a mold is told.

Theory. A listener lives as long as the master, and so does what is spoken there, plain or TLS: for a while two
generations serve it. Certificates and the rest of `[listen.tls]` are the mold's, and so of a reload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.policy.units import nanoseconds
from prefork.tls import TlsSettings

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.config import ServerConfig, TlsConfig


def check_tls(config: ServerConfig) -> None:
    """Read what a mold will read. Raises ConfigError: which listener, which file, what is wrong with it."""
    for listener in config.listen:
        if listener.tls is not None:
            from prefork.tls_context import open_tls  # noqa: PLC0415 - `ssl` is for who uses it

            open_tls(listener.url, _settings(listener.tls))


def lasting(config: ServerConfig) -> list[tuple[str, int, bool]]:
    """What a reload can't change of the listeners: the sockets, and whether TLS is spoken there."""
    return [(each.url, each.backlog, each.tls is not None) for each in config.listen]


def tls_of(first: ServerConfig, now: ServerConfig) -> list[dict[str, Any] | None]:
    """What a mold is told of each listener. `first` bound them; `now` speaks of them while it has the same ones."""
    same = lasting(now) == lasting(first)
    return [
        None if each.tls is None else _settings(each.tls)._asdict() for each in (now.listen if same else first.listen)
    ]


def _settings(tls: TlsConfig) -> TlsSettings:
    return TlsSettings(
        cert=_path(tls.cert),
        key=_path(tls.key or tls.cert),
        client_ca=None if tls.client_ca is None else _path(tls.client_ca),
        client_must=tls.verify != "optional",
        alpn=list(tls.alpn),
        min_version=tls.min_version,
        handshake_timeout_ns=nanoseconds(tls.handshake_timeout),
    )


def _path(path: Path) -> str:
    return str(path.absolute())
