"""Code written for asyncio, on prefork and, by `peers.py`, raw; and one hello for every HTTP server."""

from __future__ import annotations

import asyncio
from asyncio import selector_events
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

selector_events._SelectorTransport.max_size = 65536  # type: ignore[attr-defined]  # noqa: SLF001
"""64 KiB a read, as prefork and uvloop do: asyncio gives each read a new buffer of 256 KiB."""


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - each loop has its own
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def echo_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The documentation's, until the peer ends."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def hello(
    scope: dict[str, Any],
    _receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Thirteen bytes by ASGI, without a framework."""
    if scope["type"] != "http":
        raise NotImplementedError
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"Hello, world!"})
