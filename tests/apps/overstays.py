"""Apps that are at work when a deadline passes, and tell what they could still do."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from prefork import App, AsyncConn, Lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]


def tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


async def waits(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    try:
        await conn.sleep(3600)
    finally:
        tell("the coroutine cleaned up")


async def rolls_back(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        tell("the coroutine cleaned up")


async def web(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            tell(f"lifespan {step}")
            await send({"type": f"lifespan.{step}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        tell("the request cleaned up")


coroutine = App(waits, framer=Lines)
awaiting = App(rolls_back, framer=Lines)
asgi = App(web, style="asgi")
