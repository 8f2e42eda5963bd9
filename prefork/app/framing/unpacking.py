"""MessagePack on msgpack's Unpacker: what is imported when a `MessagePack` is made.

Theory. The Unpacker is streaming, and by `skip` it finds where a value ends without making anything of it; whatever the
chunks, it looks at each byte once. Only a whole value is then unpacked, from our own copy of its bytes. That copy is
what `rest()` needs in the middle of a value. And it keeps the limit true: an array that claims a million elements makes
room for them at once when it is unpacked as it arrives (nested, 2.5 kB of headers cost 34 MiB); of a whole value, every
element is there.
"""

# ruff: noqa: D102 - what a decoder overrides is told once, by Decoder

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]  # it has no types

from prefork.app.framing.base import NEED_MORE, Decoder, FramingError


def packed(item: object) -> bytes:
    """The value of `item`. Raises ValueError or TypeError."""
    try:
        value: bytes = msgpack.packb(item)
    except OverflowError as error:
        raise ValueError(f"an item is no MessagePack value: {error}") from None
    return value


class MessagePackDecoder(Decoder[Any]):
    """The next value begins at `_held[_at]`; `_finder` was fed up to `_held[_seen]`, and to no byte over the limit."""

    __slots__ = ("_at", "_bad", "_begin", "_finder", "_held", "_limit", "_seen")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._finder = msgpack.Unpacker(max_buffer_size=limit + 1, read_size=min(limit, 1024))
        self._begin = 0
        self._held = bytearray()
        self._at = 0
        self._seen = 0
        self._bad: str | None = None

    def feed(self, chunk: bytes, /) -> None:
        if self._at:
            del self._held[: self._at]
            self._seen -= self._at
            self._at = 0
        self._held += chunk

    def next(self) -> Any:  # noqa: ANN401 - any MessagePack value, or NEED_MORE
        if self._bad is not None:
            raise FramingError(self._bad)
        try:
            end = self._end()
            if end is None:
                return NEED_MORE
            item = msgpack.unpackb(self._held[self._at : end])
        except FramingError as error:
            self._bad = str(error)
        except (ValueError, RecursionError) as error:
            self._bad = f"a value is not MessagePack: {str(error) or type(error).__name__}"
        else:
            self._at = end
            return item
        raise FramingError(self._bad)

    def rest(self) -> bytes:
        return bytes(memoryview(self._held)[self._at :])

    def _end(self) -> int | None:
        """Where the value at `_at` ends; None: not yet known. Raises FramingError, or what msgpack does."""
        while True:
            if self._seen > self._at:
                try:
                    self._finder.skip()
                except msgpack.OutOfData:
                    if self._seen - self._at > self._limit:
                        raise self._too_long() from None
                else:
                    return self._found()
            more = self._held[self._seen : self._at + self._limit + 1]
            if not more:
                return None
            self._finder.feed(more)
            self._seen += len(more)

    def _found(self) -> int:
        """The end of the value that was skipped."""
        begin, self._begin = self._begin, self._finder.tell()
        size = self._begin - begin
        if size > self._limit:
            raise self._too_long()
        return self._at + size

    def _too_long(self) -> FramingError:
        return FramingError(f"a value is over the limit of {self._limit} bytes")
