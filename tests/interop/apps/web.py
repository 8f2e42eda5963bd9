"""A FastAPI app, as its users write them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
    print("startup", flush=True)
    yield {"made": "at startup"}
    print("shutdown", flush=True)


web = FastAPI(lifespan=lifespan)


@web.get("/")
async def root(request: Request) -> dict[str, Any]:
    return {"state": request.state.made, "scheme": request.url.scheme, "peer": request.client and request.client.host}


@web.post("/echo")
async def echo(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@web.get("/numbers/{count}")
async def numbers(count: int) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(count):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


@web.get("/behind")
async def behind(tasks: BackgroundTasks) -> str:
    tasks.add_task(lambda: print("behind", flush=True))
    return "soon"


@web.get("/blocking")
def blocking() -> str:
    """In a thread of the framework's."""
    return "done"


@web.websocket("/ws")
async def ws(socket: WebSocket) -> None:
    await socket.accept("chat" if "chat" in socket.scope["subprotocols"] else None)
    async for text in socket.iter_text():
        await socket.send_text(text[::-1])
