"""MessagePack values, one after another, with nothing around them. The extra `msgpack`."""

# ruff: noqa: D102 - what a framer or decoder overrides is told once, by Framer and Decoder

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.app.framing.base import DEFAULT_LIMIT, Framer, check_limit, need_extra

if TYPE_CHECKING:
    from prefork.app.framing.unpacking import MessagePackDecoder


@dataclass(frozen=True, slots=True)
class MessagePack(Framer[Any]):
    """MessagePack values of `limit` bytes at most.

    Items are None, bool, int, float, str (UTF-8, strict), bytes, list and dict (keys: str or bytes). An extension type
    is msgpack's inert `ExtType` or `Timestamp`: nothing is ever made of it.
    """

    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        check_limit(self.limit)
        need_extra("msgpack", "MessagePack", "msgpack")

    def decoder(self) -> MessagePackDecoder:
        from prefork.app.framing.unpacking import MessagePackDecoder  # noqa: PLC0415 - msgpack only where it is used

        return MessagePackDecoder(self.limit)

    def encode(self, item: Any, /) -> bytes:  # noqa: ANN401 - any value that MessagePack has
        from prefork.app.framing.unpacking import packed  # noqa: PLC0415 - likewise

        value = packed(item)
        if len(value) > self.limit:
            raise ValueError(f"a MessagePack value of {len(value)} bytes is over the limit of {self.limit} bytes")
        return value
