r"""HTTP/1.1, the server's side of it: whole requests in, whole responses out, on h11. The extra `http`. No web server.

    class Hello(Session[Any]):
        framer = H11

        def received(self, request: Request, /) -> None:
            self.send(Response(200, [("content-type", "text/plain")], b"hello\n"))
            if not request.keep_alive:
                self.close()

Theory. Responses have no names: the peer knows by their order alone which request each one answers. So the decoder
gives one request and holds back the next, a pipelined one too, until the final response to it was encoded, however late
that is: a session may answer when it likes and can't mix up two answers.
"""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from prefork.app.framing.base import Framer, check_limit, need_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.app.framing.exchange import Exchange

SMALLEST_HEAD = 16
"""Bytes; a shorter head can't be a request."""


class Request(NamedTuple):
    """What the peer asks."""

    method: str
    """As it came: `GET`."""
    target: str
    """As it came: `/path?query`, undecoded."""
    headers: tuple[tuple[str, str], ...]
    """In their order, names in lower case, values in Latin-1."""
    body: bytes
    """Whole; chunks are joined, trailers dropped."""
    version: str
    """`1.1` or `1.0`."""
    keep_alive: bool
    """False: the session closes after its answer."""
    awaits_continue: bool = False
    """Only where H11(expect=True): this is the head alone, and the peer waits before it sends the body.

    `Response(100)` asks for the body, and the whole request follows; a final response refuses it: then close.
    """


class Response(NamedTuple):
    """What the session answers; a status under 200 leaves the final answer still to come, but 101 ends HTTP here.

    A `content-length` is added where it is needed and not given. To a HEAD, send what a GET would get: the body stays.
    """

    status: int
    headers: Iterable[tuple[str | bytes, str | bytes]] = ()
    body: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class H11(Framer[Any]):
    """A `Request` is received, a `Response` is sent; a bad request is a FramingError. After 101, use `conn.set_framer`.

    `limit`: most bytes of a request's body, with its chunks' framing. `head_limit`: most bytes of a request's head, and
    of one chunk's. While a request waits for its answer, as much as both together is held of later ones.
    """

    limit: int = 1024 * 1024
    head_limit: int = 16 * 1024
    expect: bool = False
    """Give a request that sends `Expect: 100-continue` at its head first. Else its peer hears nothing, and sends."""

    def __post_init__(self) -> None:
        check_limit(self.limit)
        if self.head_limit < SMALLEST_HEAD:
            raise ValueError(f"head_limit ({self.head_limit}) is less than {SMALLEST_HEAD} bytes")
        need_extra("h11", "H11", "http")

    def pair(self) -> tuple[Exchange, Callable[[Response], bytes]]:
        from prefork.app.framing.exchange import Exchange  # noqa: PLC0415 - h11 only where it is used

        exchange = Exchange(self)
        return exchange, exchange.answer

    def decoder(self) -> Exchange:
        return self.pair()[0]

    def encode(self, item: Any, /) -> NoReturn:  # noqa: ANN401 - see Framer
        raise TypeError(f"H11 can't encode {type(item).__name__} by itself: a response needs its request, see pair()")
