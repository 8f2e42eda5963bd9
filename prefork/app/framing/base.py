r"""Framers: from the bytes of a connection to items and back. Sans-IO, so they work without a server.

    >>> from prefork.app.framing import NEED_MORE, Lines
    >>> decoder = Lines(limit=80).decoder()
    >>> decoder.feed(b"one\r\ntwo\nthr")
    >>> decoder.next(), decoder.next(), decoder.next()
    ('one', 'two', NEED_MORE)
    >>> decoder.rest()
    b'thr'
    >>> Lines().encode("one")
    b'one\n'

Theory. A *framer* is a frozen value that many connections share; a *decoder* is the state of one connection. Items come
one at a time and only when asked for, so that the framer can be changed between two of them: what is not yet decoded is
`rest()`. What every framer obeys, and one suite tests over all of them:

1. Any split of the same bytes into chunks gives the same items, in time linear in the bytes.
2. Garbage gives FramingError and nothing else, from then on at every call.
3. `rest()` is exact: the items so far, and it, are the bytes that were fed.
4. What a decoder holds of one frame is bounded by the framer's `limit`. `encode` refuses what a decoder of the same
   framer would not take; Lines, whose reader may be anybody, sends any length.

A frame that the end of the connection cuts short is no item: a peer that died in the middle of "delete /tmp/x" looks
exactly like one that meant it (POE and Twisted decide alike; Python's readline does not). It stays in `rest()`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from prefork.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

DEFAULT_LIMIT: Final = 64 * 1024
"""Bytes of one frame."""


class FramingError(ValueError):
    """The peer's bytes are no frame; it ends that session, after `reply` was sent: the protocol's own word for it."""

    reply: bytes = b""

    def __init__(self, text: str, reply: bytes = b"") -> None:
        super().__init__(text)
        self.reply = as_bytes(reply, "FramingError.reply")


class Need(Enum):
    """The type of NEED_MORE."""

    MORE = "more"

    def __repr__(self) -> str:
        return "NEED_MORE"


NEED_MORE: Final = Need.MORE
"""What `Decoder.next` returns when no whole frame is there; an item may be anything else, None included."""


class Decoder(ABC, Generic[T_co]):
    """The bytes of one connection, on their way to items."""

    __slots__ = ()

    @abstractmethod
    def feed(self, chunk: bytes, /) -> None:
        """Add `chunk`, which is not empty, after what was fed before. Raises nothing: `next` tells of a bad frame."""

    @abstractmethod
    def next(self) -> T_co | Literal[Need.MORE]:
        """The next item, or NEED_MORE.

        Raises FramingError when the next frame is too long or malformed; from then on at every call.
        """

    def take(self, chunk: bytes, /) -> T_co | Literal[Need.MORE]:
        """The item, where nothing is held and `chunk` is exactly one frame; else `feed(chunk)`, and NEED_MORE.

        One call in the place of three for what arrives most: a decoder may override it, but need not. Raises
        FramingError where the one frame is bad.
        """
        self.feed(chunk)
        return NEED_MORE

    @abstractmethod
    def rest(self) -> bytes:
        """The bytes fed and not yet made into items; empty between two frames."""

    @property
    def unanswered(self) -> bool:
        """Whether the item given last has still to be answered (see `Framer.pair`): until then no session is idle."""
        return False


class Framer(ABC, Generic[T]):
    """How items of type T travel. A frozen value; a class that needs no arguments may stand for its instance."""

    __slots__ = ()

    @abstractmethod
    def decoder(self) -> Decoder[T]:
        """A decoder in its first state."""

    @abstractmethod
    def encode(self, item: T, /) -> bytes:
        """The bytes of `item`. Raises ValueError or TypeError for an item that can't be sent."""

    def pair(self) -> tuple[Decoder[T], Callable[[T], bytes]]:
        """The decoder and the encoder of one connection.

        A framer whose two directions share state overrides it; then the decoder may hold back an item until another was
        encoded, so `next` is to be asked again after each encoding.
        """
        return self.decoder(), self.encode

    def decode(self, frame: bytes, /) -> T:
        """The item that `frame` is, whole and alone: what makes a framer a codec for `compose`.

        Raises FramingError where it is less than an item, or more.
        """
        decoder = self.decoder()
        item = decoder.take(frame) if frame else NEED_MORE
        if item is NEED_MORE:
            item = decoder.next()
        if item is NEED_MORE:
            raise FramingError(f"a frame of {len(frame)} bytes holds no whole item")
        if decoder.rest():
            raise FramingError(f"a frame of {len(frame)} bytes holds more than one item")
        return item


def check_limit(limit: int) -> None:
    """Raise ValueError unless `limit` is a byte or more."""
    if limit < 1:
        raise ValueError(f"limit ({limit}) is less than 1 byte")


def as_bytes(item: object, framer: str) -> bytes:
    """`item` as bytes, copied unless it is bytes. Raises TypeError, naming `framer`, for what isn't bytes-like."""
    if type(item) is bytes:
        return item
    try:
        return bytes(memoryview(item))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{framer} sends bytes, not {type(item).__name__}") from None


def need_extra(package: str, framer: str, extra: str) -> None:
    """Import `package`, which only `framer` needs. Raises AppError, naming the extra, where it is not installed."""
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise AppError(f"framer {framer} needs the package {package}: pip install 'prefork[{extra}]'") from None
