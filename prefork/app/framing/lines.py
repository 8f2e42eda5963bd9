"""Lines of text."""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prefork.app.framing.base import DEFAULT_LIMIT, NEED_MORE, Decoder, Framer, FramingError, Need, check_limit


@dataclass(frozen=True, slots=True)
class Lines(Framer[str]):
    r"""Lines of UTF-8, strict. Takes \n and \r\n, sends \n. `limit`: most bytes before the \n."""

    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        check_limit(self.limit)

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
