"""Wrong programs: both checkers must find each marked line."""

from prefork import (
    JSON,
    App,
    AsyncConn,
    Codec,
    Fixed,
    Framer,
    LengthPrefixed,
    Lines,
    Netstring,
    Session,
    Stream,
    compose,
)


class SendsBytes(Session[str]):
    framer = Lines

    def received(self, line: str, /) -> None:
        self.send(b"bytes")  # error
        self.send(line.encode())  # error
        self.conn.send(line)  # error


class TakesNumbers(Session[str]):
    framer = Lines

    def received(self, line: int, /) -> None: ...  # error


class WrongFramer(Session[str]):
    framer = Stream  # error


class WrongFramerValue(Session[bytes]):
    framer = Lines(limit=10)  # error


class NoFramer(Session[str]):
    framer = str  # error


class Base(Session[str]): ...


class WrongCallbacks(Session[bytes]):
    framer = Stream

    def draining(self) -> None: ...  # error

    def closed(self) -> None: ...  # error


def not_a_session() -> int:
    return 1


App(not_a_session)  # error
App(Base, framer=Stream)  # error
App(Base, style="callbacks")  # error
Lines(limit="64")  # error


class Number:
    def decode(self, frame: str, /) -> int:
        return int(frame)

    def encode(self, item: int, /) -> str:
        return str(item)


class WrongBlocks(Session[str]):
    framer = Netstring  # error


class WrongComposed(Session[str]):
    framer = compose(Lines, Number())  # error


class Numbered(Session[int]):
    framer = compose(Lines, Number())

    def received(self, number: int, /) -> None:
        self.send(str(number))  # error


LengthPrefixed(3)  # error
LengthPrefixed(4, "middle")  # error
Fixed()  # error
texts: Framer[str] = compose(LengthPrefixed, Netstring())  # error
backwards: Codec[int, str] = Number()  # error
compose(Lines(), JSON())  # error
compose(Lines(), 5)  # error


async def lines(conn: AsyncConn[str]) -> None:
    async for line in conn:
        await conn.send(line.encode())  # error
    await conn.write("text")  # error
    number: int = await conn.receive()  # error
    await conn.sleep("1")  # error
    text: str = await conn.offload(lambda: 1)  # error
    print(number, text)


async def chunks(conn: AsyncConn[bytes]) -> None:
    async for chunk in conn:
        await conn.send(chunk)


App(lines)  # error
App(lines, framer=Stream)  # error
App(chunks, framer=Lines)  # error
