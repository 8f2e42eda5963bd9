"""An app of each style that asyncio's transports carry: each answers a line by the same line."""

from __future__ import annotations

import asyncio
from typing import Any


class Protocol(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def unfit(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback\nOSError: no database"})


async def breaks(_scope: Any, receive: Any, send: Any) -> None:
    """As Starlette does."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback\nOSError: no database"})
    raise OSError("no database")


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        body = (await receive())["body"]
        head = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})
