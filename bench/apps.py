"""Sessions, and the same as portable coroutines. They import no loop: a mold that serves them stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork import App, Lines, Session, Stream

if TYPE_CHECKING:
    from prefork import AsyncConn


class EchoStream(Session[bytes]):
    framer = Stream

    def received(self, chunk: bytes, /) -> None:
        self.send(chunk)


class EchoLines(Session[str]):
    framer = Lines

    def received(self, line: str, /) -> None:
        self.send(line)


async def echo_stream(conn: AsyncConn[bytes]) -> None:
    """EchoStream as a coroutine."""
    async for chunk in conn:
        await conn.send(chunk)


coroutine_stream = App(echo_stream)


class OneSecond(Session[str]):
    """A request that takes a second: the answer comes by itself."""

    framer = Lines

    def opened(self) -> None:
        self.conn.call_later(1.0, self.answer)

    def answer(self) -> None:
        self.send("done")
        self.close()
