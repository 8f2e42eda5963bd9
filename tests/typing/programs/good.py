"""Correct programs: no checker may complain."""

from functools import partial
from typing import Any

from prefork import App, Conn, Decoder, Framer, Lines, Session, Stream


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


apps: list[App] = [
    App(Echo),
    App(Every),
    App(partial(Every, b"hi")),
    App(make),
    App(lambda: Every(b"x")),
    App(Base, framer=Lines),
    App(Base, framer=Lines(limit=80)),
    App(Echo, style="session"),
]
