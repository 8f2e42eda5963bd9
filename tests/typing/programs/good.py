"""Correct programs: no checker may complain."""

from functools import partial
from typing import Any, TypeVar

from prefork import (
    H11,
    JSON,
    App,
    AsyncConn,
    Codec,
    Conn,
    Decoder,
    Fixed,
    Framer,
    JSONLines,
    LengthPrefixed,
    Lines,
    MessagePack,
    Netstring,
    Request,
    Response,
    Session,
    Stream,
    compose,
)


class Echo(Session[str]):
    framer = Lines

    def opened(self) -> None:
        self.send("welcome")

    def received(self, line: str, /) -> None:
        self.send(line)
        if line == "quit":
            self.close()


class NamedParameter(Session[str]):
    framer = Lines(limit=1024)

    def received(self, line: str) -> None:
        self.conn.send(line.encode())
        self.conn.send(bytearray(b"x"))


class Every(Session[bytes]):
    framer = Stream

    def __init__(self, greeting: bytes = b"hello") -> None:
        self.greeting = greeting

    def opened(self) -> None:
        conn: Conn = self.conn
        print(conn.peer.host, conn.peer.port, conn.local, conn.listener)
        self.timer = conn.call_later(0.5, self.tick, 1, "x")
        self.send(self.greeting)

    def received(self, item: bytes, /) -> None:
        self.timer.cancel()
        self.send(item)

    def flushed(self) -> None: ...

    def eof(self) -> None:
        self.close()

    def draining(self, seconds_left: float, /) -> None:
        if seconds_left > 1 and self.conn.is_draining and not self.conn.is_closing:
            self.conn.close()

    def closed(self, exc: BaseException | None, /) -> None:
        if exc is not None:
            self.conn.abort()

    def tick(self, count: int, text: str) -> None:
        print(count, text)


class Base(Session[str]):
    """Without a framer: the app gives it."""


class Generic(Session[Any]):
    framer = Lines

    def received(self, item: Any, /) -> None:
        self.send(item)


def make() -> Session[str]:
    return Echo()


class Numbers(Framer[int]):
    """A framer of one's own."""

    def decoder(self) -> Decoder[int]:
        raise NotImplementedError

    def encode(self, item: int, /) -> bytes:
        return bytes([item])


class Count(Session[int]):
    framer = Numbers()

    def received(self, number: int, /) -> None:
        self.send(number + 1)


class Blocks(Session[bytes]):
    framer = LengthPrefixed(2, "little", limit=1024)

    def received(self, block: bytes, /) -> None:
        self.send(block)


class Strings(Session[bytes]):
    framer = Netstring


class Sized(Session[bytes]):
    framer = Fixed(16)


class Documents(Session[Any]):
    framer = JSONLines(limit=1 << 20)

    def received(self, document: dict[str, int], /) -> None:
        self.send({"got": document["a"]})


class Objects(Session[dict[str, int]]):
    framer = MessagePack

    def received(self, item: dict[str, int], /) -> None:
        self.send({"got": item["a"]})


class Site(Session[Any]):
    framer = H11

    def received(self, request: Request, /) -> None:
        if request.awaits_continue:
            self.send(Response(100))
            return
        self.send(Response(200, [("content-type", "text/plain"), (b"x", b"y")], request.body))
        if not request.keep_alive:
            self.close()


class Number:
    """A codec of one's own."""

    def decode(self, frame: str, /) -> int:
        return int(frame)

    def encode(self, item: int, /) -> str:
        return str(item)


class Text:
    """Another."""

    def decode(self, frame: bytes, /) -> str:
        return frame.decode()

    def encode(self, item: str, /) -> bytes:
        return item.encode()


class Numbered(Session[int]):
    framer = compose(Lines, Number)

    def received(self, number: int, /) -> None:
        self.send(number + 1)


async def shout(conn: AsyncConn[str]) -> None:
    print(conn.peer.host, conn.worker.id, conn.is_draining)
    async for line in conn:
        await conn.send(line.upper())
        await conn.sleep(0.1)
    answer: int = await conn.offload(lambda: 42)
    await conn.send(str(answer))
    await conn.close()


async def parrot(conn: AsyncConn[bytes]) -> int:
    while chunk := await conn.read(100):
        await conn.send(chunk)
        await conn.write(bytearray(chunk))
    item: bytes = await conn.receive()
    conn.send_nowait(item)
    conn.set_framer(Lines)
    conn.call_later(0.5, conn.abort).cancel()
    return 1


AnyItem = TypeVar("AnyItem")


async def echo(conn: AsyncConn[AnyItem]) -> None:
    async for item in conn:
        await conn.send(item)


async def greet(greeting: str, conn: AsyncConn[str]) -> None:
    await conn.send(greeting)


number: Codec[str, int] = Number()
numbers: Framer[int] = compose(Lines(limit=20), number)
packed: Framer[bytes] = compose(LengthPrefixed, Netstring())
documents: Framer[dict[str, int]] = compose(LengthPrefixed(4), JSON)

apps: list[App] = [
    App(Blocks),
    App(Site),
    App(Base, framer=compose(compose(LengthPrefixed, Netstring), Text())),
    App(Echo),
    App(Every),
    App(partial(Every, b"hi"), style="session"),
    App(make),
    App(lambda: Every(b"x"), style="session"),
    App(Base, framer=Lines),
    App(Base, framer=Lines(limit=80)),
    App(Echo, style="session"),
    App(shout, framer=Lines),
    App(shout, framer=compose(LengthPrefixed, Text)),
    App(parrot),
    App(parrot, framer=LengthPrefixed(4)),
    App(echo),
    App(echo, framer=Lines(limit=80)),
    App(partial(greet, "hello"), style="coroutine", framer=Lines),
]
