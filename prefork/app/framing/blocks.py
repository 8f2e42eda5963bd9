"""Frames that tell their size first, or have none to tell: Fixed, LengthPrefixed, Netstring; items are bytes."""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from prefork.app.framing.base import (
    DEFAULT_LIMIT,
    NEED_MORE,
    Decoder,
    Framer,
    FramingError,
    Need,
    as_bytes,
    check_limit,
)

WIDTHS = (1, 2, 4, 8)


class BlockDecoder(Decoder[bytes]):
    """Frames whose place is known before their content is there; the bytes not yet taken are `_held[_at:]`.

    A bad frame isn't passed over: each call finds it again.
    """

    __slots__ = ("_at", "_held")

    def __init__(self) -> None:
        self._held = bytearray()
        self._at = 0

    @abstractmethod
    def _place(self, at: int) -> tuple[int, int, int] | None:
        """Where the frame at `at` has its content's begin, its content's end and its own end; None: not yet known."""

    def feed(self, chunk: bytes, /) -> None:
        if self._at:
            del self._held[: self._at]
            self._at = 0
        self._held += chunk

    def next(self) -> bytes | Literal[Need.MORE]:
        place = self._place(self._at)
        if place is None:
            return NEED_MORE
        begin, end, self._at = place
        return bytes(memoryview(self._held)[begin:end])

    def rest(self) -> bytes:
        return bytes(memoryview(self._held)[self._at :])


@dataclass(frozen=True, slots=True)
class Fixed(Framer[bytes]):
    """Blocks of exactly `size` bytes."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size ({self.size}) is less than 1 byte")

    def decoder(self) -> FixedDecoder:
        return FixedDecoder(self.size)

    def encode(self, item: bytes, /) -> bytes:
        block = as_bytes(item, "Fixed")
        if len(block) != self.size:
            raise ValueError(f"a block of {len(block)} bytes is not of the fixed size of {self.size} bytes")
        return block


class FixedDecoder(BlockDecoder):
    """There is no garbage: any bytes are blocks."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def take(self, chunk: bytes, /) -> bytes | Literal[Need.MORE]:
        if len(chunk) == self._size and self._at == len(self._held):
            return chunk
        self.feed(chunk)
        return NEED_MORE

    def _place(self, at: int) -> tuple[int, int, int] | None:
        end = at + self._size
        return (at, end, end) if end <= len(self._held) else None


@dataclass(frozen=True, slots=True)
class LengthPrefixed(Framer[bytes]):
    """The content's length in `prefix` bytes (1, 2, 4 or 8), then the content, of `limit` bytes at most."""

    prefix: Literal[1, 2, 4, 8] = 4
    byteorder: Literal["big", "little"] = "big"
    limit: int = DEFAULT_LIMIT
    """The prefix may allow less: 255 bytes after one of 1 byte."""

    def __post_init__(self) -> None:
        check_limit(self.limit)
        if self.prefix not in WIDTHS:
            raise ValueError(f"prefix ({self.prefix!r}) is none of 1, 2, 4 and 8 bytes")
        if self.byteorder not in ("big", "little"):
            raise ValueError(f"byteorder ({self.byteorder!r}) is neither 'big' nor 'little'")

    def decoder(self) -> LengthPrefixedDecoder:
        return LengthPrefixedDecoder(self)

    def encode(self, item: bytes, /) -> bytes:
        content = as_bytes(item, "LengthPrefixed")
        most = min(self.limit, 256**self.prefix - 1)
        if len(content) > most:
            raise ValueError(f"a frame of {len(content)} bytes is over the limit of {most} bytes")
        return len(content).to_bytes(self.prefix, self.byteorder) + content


class LengthPrefixedDecoder(BlockDecoder):
    """Refuses a frame by its prefix, before any of its content."""

    __slots__ = ("_byteorder", "_limit", "_prefix")

    def __init__(self, framer: LengthPrefixed) -> None:
        super().__init__()
        self._prefix: int = framer.prefix
        self._byteorder = framer.byteorder
        self._limit = framer.limit

    def take(self, chunk: bytes, /) -> bytes | Literal[Need.MORE]:
        prefix = self._prefix
        size = len(chunk) - prefix
        if (
            0 <= size <= self._limit
            and int.from_bytes(chunk[:prefix], self._byteorder) == size
            and self._at == len(self._held)
        ):
            return chunk[prefix:]
        self.feed(chunk)
        return NEED_MORE

    def _place(self, at: int) -> tuple[int, int, int] | None:
        begin = at + self._prefix
        if begin > len(self._held):
            return None
        size = int.from_bytes(self._held[at:begin], self._byteorder)
        if size > self._limit:
            raise FramingError(f"a frame of {size} bytes is over the limit of {self._limit} bytes")
        end = begin + size
        return (begin, end, end) if end <= len(self._held) else None


@dataclass(frozen=True, slots=True)
class Netstring(Framer[bytes]):
    """`5:hello,` with a content of `limit` bytes at most. Source: D. J. Bernstein, Netstrings (1997)."""

    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        check_limit(self.limit)

    def decoder(self) -> NetstringDecoder:
        return NetstringDecoder(self.limit)

    def encode(self, item: bytes, /) -> bytes:
        content = as_bytes(item, "Netstring")
        if len(content) > self.limit:
            raise ValueError(f"a netstring of {len(content)} bytes is over the limit of {self.limit} bytes")
        return b"%d:%b," % (len(content), content)


_NUMBER = re.compile(rb"0|[1-9][0-9]*|")
"""Matches what there is of a number without leading zeros, nothing included."""


class NetstringDecoder(BlockDecoder):
    """Strict, as its source says: no leading zeros, no blanks, no sign; refuses a length as soon as it is too long."""

    __slots__ = ("_digits", "_limit")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._digits = len(str(limit))

    def _place(self, at: int) -> tuple[int, int, int] | None:
        head = bytes(self._held[at : at + self._digits + 1])
        found = _NUMBER.match(head)
        digits = found.group() if found else b""
        size = int(digits or b"0")
        if size > self._limit:
            raise FramingError(f"a netstring is over the limit of {self._limit} bytes")
        if len(digits) == len(head):
            return None
        if not digits or not head.startswith(b":", len(digits)):
            raise FramingError(f"a netstring's length is malformed: {head[: len(digits) + 1]!r}")
        begin = at + len(digits) + 1
        end = begin + size
        if end >= len(self._held):
            return None
        if self._held[end] != ord(","):
            raise FramingError("a netstring doesn't end with a comma")
        return begin, end, end + 1
