r"""Framers: from the bytes of a connection to items and back. Sans-IO, so they work without a server.

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
`rest()`. Any split of the same bytes into chunks gives the same items, and garbage gives FramingError and nothing else.
A frame that the end of the connection cuts short is no item: a peer that died in the middle of "delete /tmp/x" looks
exactly like one that meant it (POE and Twisted decide alike; Python's readline does not). It stays in `rest()`.
"""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, Literal, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class FramingError(ValueError):
    """The peer's bytes are no frame; it ends that session."""


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

        One call in the place of three for what arrives most: a decoder may override it, but need not.
        """
        self.feed(chunk)
        return NEED_MORE

    @abstractmethod
    def rest(self) -> bytes:
        """The bytes fed and not yet made into items; empty between two frames."""


class Framer(ABC, Generic[T]):
    """How items of type T travel. A frozen value; a class that needs no arguments may stand for its instance."""

    __slots__ = ()

    @abstractmethod
    def decoder(self) -> Decoder[T]:
        """A decoder in its first state."""

    @abstractmethod
    def encode(self, item: T, /) -> bytes:
        """The bytes of `item`. Raises ValueError or TypeError for an item that can't be sent."""


DEFAULT_LIMIT = 64 * 1024


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise ValueError(f"limit ({limit}) is less than 1 byte")


@dataclass(frozen=True, slots=True)
class Stream(Framer[bytes]):
    """Bytes as they come: an item is what one read gave, at most `limit` bytes of it."""

    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        _check_limit(self.limit)

    def decoder(self) -> StreamDecoder:
        return StreamDecoder(self.limit)

    def encode(self, item: bytes, /) -> bytes:
        return item if type(item) is bytes else bytes(memoryview(item))


class StreamDecoder(Decoder[bytes]):
    """Never holds a partial frame; only what `next` has not yet taken: `_held[_at:]`, then `_later`."""

    __slots__ = ("_at", "_held", "_later", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = b""
        self._at = 0
        self._later: list[bytes] | None = None

    def feed(self, chunk: bytes, /) -> None:
        if not self._held:
            self._held = chunk
        elif self._later is None:
            self._later = [chunk]
        else:
            self._later.append(chunk)

    def take(self, chunk: bytes, /) -> bytes | Literal[Need.MORE]:
        if not self._held and len(chunk) <= self._limit:
            return chunk
        self.feed(chunk)
        return NEED_MORE

    def next(self) -> bytes | Literal[Need.MORE]:
        held = self._held
        if not held:
            return NEED_MORE
        if self._at or len(held) > self._limit:
            item = held[self._at : self._at + self._limit]
            self._at += len(item)
            if self._at < len(held):
                return item
            held = item
        self._at = 0
        self._held = b""
        if self._later is not None:
            self._held, self._later = b"".join(self._later), None
        return held

    def rest(self) -> bytes:
        return b"".join([self._held[self._at :], *(self._later or ())])


@dataclass(frozen=True, slots=True)
class Lines(Framer[str]):
    r"""Lines of UTF-8, strict. Takes \n and \r\n, sends \n. `limit`: most bytes before the \n."""

    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        _check_limit(self.limit)

    def decoder(self) -> LinesDecoder:
        return LinesDecoder(self.limit)

    def encode(self, item: str, /) -> bytes:
        try:
            if "\n" in item:
                raise ValueError(f"a line can't hold a line break: {item[:60]!r}; send each line by itself")
        except TypeError:
            raise TypeError(f"Lines sends str, not {type(item).__name__}") from None
        return f"{item}\n".encode()


class LinesDecoder(Decoder[str]):
    r"""Linear in the bytes fed, in however many chunks they come and however many lines a chunk holds.

    `_parts` hold no \n and begin a line; then come `_chunk[_at:]`, not yet searched, and `_later`, fed while there was
    still something to take.
    """

    __slots__ = ("_at", "_chunk", "_later", "_limit", "_parts", "_parts_length")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunk = b""
        self._at = 0
        self._later: list[bytes] | None = None
        self._parts: list[bytes] | None = None
        self._parts_length = 0

    def feed(self, chunk: bytes, /) -> None:
        if not self._chunk:
            self._chunk = chunk
        elif self._later is None:
            self._later = [chunk]
        else:
            self._later.append(chunk)

    def take(self, chunk: bytes, /) -> str | Literal[Need.MORE]:
        length = len(chunk)
        if chunk.find(b"\n") == length - 1 < self._limit and not self._chunk and self._parts is None:
            try:
                line = chunk.decode()
            except UnicodeDecodeError:
                pass  # told by `next`
            else:
                return line[:-2] if line.endswith("\r\n") else line[:-1]
        self.feed(chunk)
        return NEED_MORE

    def next(self) -> str | Literal[Need.MORE]:
        chunk = self._chunk
        if not chunk:
            return NEED_MORE
        end = chunk.find(b"\n", self._at)
        if end < 0:
            return self._keep(chunk)
        raw = chunk[self._at : end]
        if self._parts_length + len(raw) > self._limit:
            raise self._too_long()
        if self._parts is not None:
            raw = b"".join([*self._parts, raw])
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            raise FramingError(f"a line is not UTF-8: {error.reason} in {raw[:60]!r}") from None
        self._parts = None
        self._parts_length = 0
        self._at = end + 1
        if self._at == len(chunk):
            self._advance()
        return line.removesuffix("\r")

    def rest(self) -> bytes:
        return b"".join([*(self._parts or ()), self._chunk[self._at :], *(self._later or ())])

    def _advance(self) -> None:
        self._chunk = b"".join(self._later or ())
        self._later = None
        self._at = 0

    def _keep(self, chunk: bytes) -> str | Literal[Need.MORE]:
        """Put aside the beginning of a line, unless it is too long already; then look further."""
        length = self._parts_length + len(chunk) - self._at
        if length > self._limit:
            raise self._too_long()
        if self._parts is None:
            self._parts = []
        self._parts.append(chunk[self._at :])
        self._parts_length = length
        self._advance()
        return self.next()

    def _too_long(self) -> FramingError:
        return FramingError(f"a line is over the limit of {self._limit} bytes")
