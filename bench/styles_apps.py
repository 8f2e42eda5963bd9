"""What `styles.py` serves, on prefork and raw: `python styles_apps.py asyncio|uvloop PORT` is the same protocol raw."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - each loop has its own
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """64 KiB a read: `Protocol` gives each read a buffer of 256 KiB of its own."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - each loop has its own
        self.transport = transport
        self.buffer = memoryview(bytearray(65536))

    def get_buffer(self, _hint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.transport.write(bytes(self.buffer[:count]))


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
    """Thirteen bytes, without a framework."""
    if scope["type"] != "http":
        raise NotImplementedError
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"Hello, world!"})


async def serve(kind: str, port: int) -> None:
    """The same without prefork."""
    loop = asyncio.get_running_loop()
    if kind == "streams":
        server = await asyncio.start_server(echo_stream, "127.0.0.1", port, backlog=2048)
    else:
        made = {"Echo": Echo, "BufferedEcho": BufferedEcho}[kind]
        server = await loop.create_server(made, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(serve(sys.argv[2], int(sys.argv[3])))
