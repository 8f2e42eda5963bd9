"""The framer of those who want no frames: bytes as they come."""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prefork.app.framing.base import DEFAULT_LIMIT, NEED_MORE, Decoder, Framer, Need, as_bytes, check_limit


@dataclass(frozen=True, slots=True)
class Stream(Framer[bytes]):
    """Bytes as they come: an item is what one read gave, at most `limit` bytes of it."""

    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        check_limit(self.limit)

    def decoder(self) -> StreamDecoder:
        return StreamDecoder(self.limit)

    def encode(self, item: bytes, /) -> bytes:
        return item if type(item) is bytes else as_bytes(item, "Stream")


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
