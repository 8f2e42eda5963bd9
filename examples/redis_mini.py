"""A small Redis: strings and counters, for redis-cli, redis-benchmark and Redis clients that speak RESP 2.

    prefork serve examples/redis_mini.py:Redis --workers 1 --listen tcp://127.0.0.1:6380
    redis-cli -p 6380 incr visits

One worker, because the values are in its memory, as in Redis; a second one would have its own. They end with it.
"""

import re
import threading
from collections.abc import Generator
from typing import Literal, TypeAlias

import prefork
from prefork import NEED_MORE, Decoder, Framer, FramingError, Need, Session

Value: TypeAlias = str | bytes | int | list[bytes] | ValueError | None
Item: TypeAlias = list[bytes] | Literal[Need.MORE]
Piece: TypeAlias = Generator[Literal[Need.MORE], None, tuple[bytes, int]]
LIMIT = 1024 * 1024  # most bytes of one command
VALUES: dict[bytes, bytes] = {}
LOCK = threading.Lock()  # on the loop `threads` commands run at the same time


class RespDecoder(Decoder[Value]):
    """An item is a list of words. A bad frame ends the session, after an error of the protocol's own."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._items = items(self._held)

    def feed(self, chunk: bytes, /) -> None:
        self._held += chunk

    def next(self) -> Item:
        for item in self._items:
            return item
        raise bad("nothing is read after a bad frame")

    def rest(self) -> bytes:
        return bytes(self._held)


def items(held: bytearray) -> Generator[Item, None, None]:
    """Take out of `held`, which others fill, what `next` returns: `*2 $3 GET $1 a` on five lines, or `GET a` on one."""
    while True:
        head, at = yield from line(held, 0)
        words = head.split()
        if head.startswith(b"*"):
            words = []
            for _ in range(number(b"*", head, LIMIT)):
                word, at = yield from bulk(held, at)
                words.append(word)
        del held[:at]
        if words:  # none are no command, as in Redis
            yield words


def bulk(held: bytearray, at: int) -> Piece:
    """The word whose length stands at `at`, and where the next one begins."""
    head, at = yield from line(held, at)
    end = at + number(b"$", head, LIMIT - at - 2)
    while len(held) < end + 2:
        yield NEED_MORE
    if held[end : end + 2] != b"\r\n":
        raise bad(f"a word is longer than {end - at} bytes, its length")
    return bytes(held[at:end]), end + 2


def line(held: bytearray, at: int) -> Piece:
    """The line that begins at `at`, and where the next one does."""
    seen = at
    while (end := held.find(b"\n", seen)) < 0 and len(held) < LIMIT:
        seen = len(held)
        yield NEED_MORE
    if not 0 <= end < LIMIT:
        raise bad(f"a command is over the limit of {LIMIT} bytes")
    return bytes(held[at:end]).removesuffix(b"\r"), end + 1


def number(sign: bytes, head: bytes, most: int) -> int:
    if head[:1] == sign and re.fullmatch(rb"\d{1,7}", head[1:]) and int(head[1:]) <= most:
        return int(head[1:])
    raise bad(f"expected {sign.decode()} and a number up to {most}, got {head[:20]!r}")


def bad(what: str) -> FramingError:
    return FramingError(what, reply=f"-ERR Protocol error: {what}\r\n".encode())


class Resp(Framer[Value]):
    """RESP 2, the server's side: lists of words come in, values go out."""

    def decoder(self) -> RespDecoder:
        return RespDecoder()

    def encode(self, item: Value, /) -> bytes:
        match item:
            case None:
                return b"$-1\r\n"
            case bytes():
                return b"$%d\r\n%b\r\n" % (len(item), item)
            case list():
                return b"*%d\r\n%b" % (len(item), b"".join(map(self.encode, item)))
            case int():
                return b":%d\r\n" % item
            case ValueError():
                return f"-ERR {item}\r\n".encode()
        return f"+{item}\r\n".encode()


class Redis(Session[Value]):
    framer = Resp

    def received(self, item: Value, /) -> None:
        if isinstance(item, list) and item[0].upper() != b"QUIT":
            with LOCK:
                value = answer(item[0].upper(), item[1:])
            self.send(value)
        else:
            self.send("OK")
            self.close()


def answer(name: bytes, words: list[bytes]) -> Value:  # noqa: PLR0911 - a table
    match name, words:
        case b"PING", []:
            return "PONG"
        case b"PING" | b"ECHO", [word]:
            return word
        case b"GET", [key]:
            return VALUES.get(key)
        case b"SET", [key, value]:
            VALUES[key] = value
            return "OK"
        case (b"INCR", [key]) | (b"INCRBY", [key, _]):
            terms = [VALUES.get(key, b"0"), *(words[1:] or [b"1"])]
            if not all(re.fullmatch(rb"-?\d{1,18}", term) for term in terms):
                return ValueError("value is not an integer or out of range")
            VALUES[key] = b"%d" % sum(map(int, terms))
            return int(VALUES[key])
        case b"DEL", [_, *_]:
            return sum(VALUES.pop(key, None) is not None for key in words)
        case b"EXISTS", [_, *_]:
            return sum(key in VALUES for key in words)
        case b"HELLO", [_, *_]:
            return ValueError("this server speaks RESP 2: set the client's protocol to 2")
    return ValueError(f"unknown command {name[:20]!r} with {len(words)} arguments")


if __name__ == "__main__":
    pool = prefork.PoolConfig(sizing=prefork.StaticSizing(workers=1))
    prefork.serve(Redis, listen="tcp://127.0.0.1:6380", pool=pool)
