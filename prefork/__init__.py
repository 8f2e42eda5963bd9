"""prefork: a pool of worker processes under TCP servers. Public names only; each is loaded when it is first used.

Lazy, because a worker imports this package through the user's `from prefork import Session` and must not pay for
pydantic (13 MB of private memory and 100 ms of start).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.lazy import load

if TYPE_CHECKING:
    from prefork.app.app import App as App
    from prefork.app.async_conn import AsyncConn as AsyncConn
    from prefork.app.framing import NEED_MORE as NEED_MORE
    from prefork.app.framing import Decoder as Decoder
    from prefork.app.framing import Framer as Framer
    from prefork.app.framing import FramingError as FramingError
    from prefork.app.framing import Lines as Lines
    from prefork.app.framing import Need as Need
    from prefork.app.framing import Stream as Stream
    from prefork.app.framing.blocks import Fixed as Fixed
    from prefork.app.framing.blocks import LengthPrefixed as LengthPrefixed
    from prefork.app.framing.blocks import Netstring as Netstring
    from prefork.app.framing.composed import Codec as Codec
    from prefork.app.framing.composed import compose as compose
    from prefork.app.framing.http1 import H11 as H11
    from prefork.app.framing.http1 import Request as Request
    from prefork.app.framing.http1 import Response as Response
    from prefork.app.framing.json_lines import JSON as JSON
    from prefork.app.framing.json_lines import JSONLines as JSONLines
    from prefork.app.framing.messagepack import MessagePack as MessagePack
    from prefork.app.session import Address as Address
    from prefork.app.session import Conn as Conn
    from prefork.app.session import DrainTimeoutError as DrainTimeoutError
    from prefork.app.session import Session as Session
    from prefork.app.session import Tls as Tls
    from prefork.app.session import WriteLimitError as WriteLimitError
    from prefork.app.session import WriteLimits as WriteLimits
    from prefork.app.worker import Server as Server
    from prefork.app.worker import Worker as Worker
    from prefork.config import Listener as Listener
    from prefork.config import ServerConfig as ServerConfig
    from prefork.config import TlsConfig as TlsConfig
    from prefork.errors import AppError as AppError
    from prefork.errors import BootError as BootError
    from prefork.errors import BugError as BugError
    from prefork.errors import ConfigError as ConfigError
    from prefork.errors import PreforkError as PreforkError
    from prefork.master.serve import serve as serve
    from prefork.policy.config import CrashConfig as CrashConfig
    from prefork.policy.config import DemandSizing as DemandSizing
    from prefork.policy.config import PoolConfig as PoolConfig
    from prefork.policy.config import RecycleConfig as RecycleConfig
    from prefork.policy.config import SpareSizing as SpareSizing
    from prefork.policy.config import StaticSizing as StaticSizing

_HOME = {
    "Address": "prefork.app.session",
    "App": "prefork.app.app",
    "AppError": "prefork.errors",
    "AsyncConn": "prefork.app.async_conn",
    "BootError": "prefork.errors",
    "BugError": "prefork.errors",
    "Codec": "prefork.app.framing.composed",
    "ConfigError": "prefork.errors",
    "Conn": "prefork.app.session",
    "CrashConfig": "prefork.policy.config",
    "Decoder": "prefork.app.framing",
    "DemandSizing": "prefork.policy.config",
    "DrainTimeoutError": "prefork.app.session",
    "Fixed": "prefork.app.framing.blocks",
    "Framer": "prefork.app.framing",
    "FramingError": "prefork.app.framing",
    "H11": "prefork.app.framing.http1",
    "JSON": "prefork.app.framing.json_lines",
    "JSONLines": "prefork.app.framing.json_lines",
    "LengthPrefixed": "prefork.app.framing.blocks",
    "Lines": "prefork.app.framing",
    "Listener": "prefork.config",
    "MessagePack": "prefork.app.framing.messagepack",
    "NEED_MORE": "prefork.app.framing",
    "Need": "prefork.app.framing",
    "Netstring": "prefork.app.framing.blocks",
    "PoolConfig": "prefork.policy.config",
    "PreforkError": "prefork.errors",
    "RecycleConfig": "prefork.policy.config",
    "Request": "prefork.app.framing.http1",
    "Response": "prefork.app.framing.http1",
    "Server": "prefork.app.worker",
    "ServerConfig": "prefork.config",
    "Session": "prefork.app.session",
    "SpareSizing": "prefork.policy.config",
    "StaticSizing": "prefork.policy.config",
    "Stream": "prefork.app.framing",
    "Tls": "prefork.app.session",
    "TlsConfig": "prefork.config",
    "Worker": "prefork.app.worker",
    "WriteLimitError": "prefork.app.session",
    "WriteLimits": "prefork.app.session",
    "compose": "prefork.app.framing.composed",
    "serve": "prefork.master.serve",
}

__all__ = [  # noqa: PLE0604, RUF100 - derived from the table, so that a name is written once
    *_HOME,
]


def __getattr__(name: str) -> object:
    return load(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(_HOME)
