"""JSON: one document a line (JSONLines), or in the frames of another framer (`compose(LengthPrefixed, JSON)`).

RFC 8259 with its two doors shut: NaN, Infinity and numbers that overflow to infinity are no JSON, neither way. A name
that appears twice in an object has its last value, as in Python's json.
"""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from prefork.app.framing.base import DEFAULT_LIMIT, Framer, FramingError, check_limit
from prefork.app.framing.composed import ComposedDecoder
from prefork.app.framing.lines import Lines

_INFINITE = (float("inf"), float("-inf"))


def _refused(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in _INFINITE:
        raise ValueError(f"{digits[:60]} is too large a number")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of the document `text`. Raises FramingError."""
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        raise FramingError(f"a document is not JSON: {error}") from None
    except RecursionError:
        raise FramingError("a JSON document is nested too deeply") from None


def _document(value: object) -> bytes:
    """The shortest document of `value`, in UTF-8. Raises ValueError or TypeError."""
    try:
        try:
            return _ENCODER.encode(value).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can carry
            return _ASCII_ENCODER.encode(value).encode()
    except RecursionError:
        raise ValueError("a value is nested too deeply for JSON") from None


@dataclass(frozen=True, slots=True)
class JSON:
    """A codec for `compose`: a frame of bytes is one JSON document in UTF-8, an item is its value."""

    def decode(self, frame: bytes, /) -> Any:  # noqa: ANN401 - any JSON value
        try:
            text = frame.decode()
        except UnicodeDecodeError as error:
            raise FramingError(f"a document is not UTF-8: {error.reason} in {frame[:60]!r}") from None
        return _value(text)

    def encode(self, item: Any, /) -> bytes:  # noqa: ANN401 - any JSON value
        return _document(item)


@dataclass(frozen=True, slots=True)
class JSONLines(Framer[Any]):
    r"""One JSON document a line, in UTF-8. Takes \n and \r\n, sends \n. `limit`: most bytes before the \n."""

    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        check_limit(self.limit)

    def decoder(self) -> ComposedDecoder[str, Any]:
        return ComposedDecoder(Lines(self.limit).decoder(), _value)

    def encode(self, item: Any, /) -> bytes:  # noqa: ANN401 - any JSON value
        document = _document(item)
        if len(document) > self.limit:
            raise ValueError(f"a JSON document of {len(document)} bytes is over the limit of {self.limit} bytes")
        return document + b"\n"
