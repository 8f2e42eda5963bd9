r"""`compose(outer, inner)`: each frame of one framer is exactly one item of a codec.

    >>> from prefork.app.framing.blocks import LengthPrefixed
    >>> from prefork.app.framing.json_lines import JSON
    >>> framer = compose(LengthPrefixed(2), JSON)
    >>> framer.encode({"a": 1})
    b'\x00\x07{"a":1}'
    >>> framer.decode(b'\x00\x07{"a":1}')
    {'a': 1}

Theory. The outer framer finds the frames and bounds them; the codec, which has no state, makes one item of one frame.
So the end of an item is always the end of a frame, and `rest()` stays exact: the framer can be changed after any item.
A stack whose inner stage ran over the frames' borders (as in POE's Filter::Stackable) could only hand over bytes that
are partly taken out of their frames already. Longer stacks nest: `compose(compose(LengthPrefixed, Deflate), JSON)`.

A codec is anything with `decode` and `encode`; a framer is one as well, by its `decode` (one whole item, no more), as
in `compose(Netstring, MessagePack)`. A ValueError of `decode` says that the peer's frame is bad; anything else is the
codec's own fault and ends the session as an exception of its code does.
"""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from prefork.app.framing.base import NEED_MORE, Decoder, Framer, FramingError, Need

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S")
T = TypeVar("T")


class Codec(Protocol[S, T]):
    """One frame, of type S, to one item, of type T, and back."""

    def decode(self, frame: S, /) -> T:
        """The item in `frame`. Raises ValueError where there is none."""

    def encode(self, item: T, /) -> S:
        """The frame for `item`. Raises ValueError or TypeError for an item that can't be sent."""


def compose(outer: Framer[S] | type[Framer[S]], inner: Codec[S, T] | Callable[[], Codec[S, T]]) -> Framer[T]:
    """A framer whose items are those of `inner`, each in one frame of `outer`.

    A class that needs no arguments may stand for its instance. Raises TypeError for what is no framer or codec.
    """
    framer = outer() if isinstance(outer, type) else outer
    codec: Any = inner() if isinstance(inner, type) else inner
    if not isinstance(framer, Framer):
        raise TypeError(f"compose takes a framer first, not {framer!r:.60}")
    if not (callable(getattr(codec, "decode", None)) and callable(getattr(codec, "encode", None))):
        raise TypeError(f"compose takes a codec or a framer second, and {codec!r:.60} lacks decode or encode")
    return Composed(framer, codec)


@dataclass(frozen=True, slots=True)
class Composed(Framer[T], Generic[S, T]):
    """What `compose` makes."""

    outer: Framer[S]
    inner: Codec[S, T]

    def decoder(self) -> ComposedDecoder[S, T]:
        return ComposedDecoder(self.outer.decoder(), self.inner.decode)

    def encode(self, item: T, /) -> bytes:
        return self.outer.encode(self.inner.encode(item))

    def pair(self) -> tuple[Decoder[T], Callable[[T], bytes]]:
        decoder, encode = self.outer.pair()
        inner = self.inner
        return ComposedDecoder(decoder, inner.decode), lambda item: encode(inner.encode(item))


class ComposedDecoder(Decoder[T], Generic[S, T]):
    """The frames of another decoder, each through `decode`."""

    __slots__ = ("_bad", "_decode", "_frames")

    def __init__(self, frames: Decoder[S], decode: Callable[[S], T]) -> None:
        self._frames = frames
        self._decode = decode
        self._bad: str | None = None

    def feed(self, chunk: bytes, /) -> None:
        self._frames.feed(chunk)

    def take(self, chunk: bytes, /) -> T | Literal[Need.MORE]:
        frame = self._frames.take(chunk)
        return NEED_MORE if frame is NEED_MORE else self._item(frame)

    def next(self) -> T | Literal[Need.MORE]:
        if self._bad is not None:
            raise FramingError(self._bad)
        frame = self._frames.next()
        return NEED_MORE if frame is NEED_MORE else self._item(frame)

    def rest(self) -> bytes:
        return self._frames.rest()

    @property
    def unanswered(self) -> bool:
        return self._frames.unanswered

    def _item(self, frame: S) -> T:
        if self._bad is not None:
            raise FramingError(self._bad)
        try:
            return self._decode(frame)
        except ValueError as error:
            self._bad = str(error) or f"a frame's content is bad: {type(error).__name__}"
            raise FramingError(self._bad) from None
