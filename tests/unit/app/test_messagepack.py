from __future__ import annotations

import tracemalloc
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from msgpack import fallback

from prefork import MessagePack
from prefork.app.framing import NEED_MORE, FramingError
from tests.unit.app.framings import decoded, each_byte

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("raw", "item"),
    [
        pytest.param(b"\xc0", None, id="None is an item"),
        pytest.param(b"\x81\xa1a\x93\x01\xc3\xcb?\xf8\x00\x00\x00\x00\x00\x00", {"a": [1, True, 1.5]}, id="a map"),
        pytest.param(b"\xc4\x02\xff\x00", b"\xff\x00", id="bytes are bytes"),
        pytest.param(b"\xa2\xc3\xa9", "é", id="text is text"),
        pytest.param(b"\x82\xa1a\x01\xa1a\x02", {"a": 2}, id="the last of two equal keys counts"),
        pytest.param(b"\xd4\x05x", msgpack.ExtType(5, b"x"), id="an extension type stays what it is"),
        pytest.param(b"\xd6\xff\x00\x00\x00\x01", msgpack.Timestamp(1, 0), id="a time stamp is no datetime"),
    ],
)
def test_values(raw: bytes, item: object) -> None:
    for pieces in ([raw + raw], each_byte(raw + raw)):
        assert decoded(MessagePack(), pieces) == ([item, item], None, b"")
    assert MessagePack().decode(MessagePack().encode(item)) == item


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(b"\xc1", "a value is not MessagePack: FormatError", id="the byte that is none"),
        pytest.param(b"\xa1\xff", "a value is not MessagePack: 'utf-8' codec can't decode", id="text that is no UTF-8"),
        pytest.param(b"\x81\x01\x02", "a value is not MessagePack: int is not allowed", id="a number as key"),
        pytest.param(b"\x81\x90\x02", "a value is not MessagePack: list is not allowed", id="a list as key"),
        pytest.param(b"\xd4\xfe\x00", "a value is not MessagePack: code must be", id="a reserved extension"),
        pytest.param(b"\xd4\xff\x00", "a value is not MessagePack: invalid timestamp", id="a malformed time stamp"),
        pytest.param(b"\x91" * 5000, "a value is not MessagePack: StackError", id="deeply nested"),
    ],
)
def test_what_is_no_value_is_a_framing_error_from_then_on(raw: bytes, error: str) -> None:
    for pieces in ([b"\x01" + raw], each_byte(b"\x01" + raw)):
        items, told, _ = decoded(MessagePack(), pieces)
        assert items == [1]
        assert told is not None
        assert told.startswith(error)
    decoder = MessagePack().decoder()
    decoder.feed(raw)
    for _ in range(2):
        with pytest.raises(FramingError, match=error):
            decoder.next()
        decoder.feed(b"\x01")


def test_in_the_middle_of_a_value_the_rest_is_all_of_it() -> None:
    decoder = MessagePack().decoder()
    raw = MessagePack().encode({"a": [1, {"b": "c"}], "d": b"e"})
    decoder.feed(b"\x07")
    assert decoder.next() == 7
    for at in range(len(raw) - 1):
        decoder.feed(raw[at : at + 1])
        assert (decoder.next(), decoder.rest()) == (NEED_MORE, raw[: at + 1])
    decoder.feed(raw[-1:] + b"\x92\x01")
    assert decoder.rest() == raw + b"\x92\x01"
    assert decoder.next() == {"a": [1, {"b": "c"}], "d": b"e"}
    assert decoder.rest() == b"\x92\x01"


def test_a_value_may_be_as_long_as_the_limit() -> None:
    framer = MessagePack(limit=10)
    fits, over = b"\xc4\x08" + bytes(8), b"\xc4\x09" + bytes(9)
    assert framer.encode(bytes(8)) == fits
    with pytest.raises(ValueError, match="a MessagePack value of 11 bytes is over the limit of 10 bytes"):
        framer.encode(bytes(9))
    for pieces in ([fits * 5 + over], each_byte(fits * 5 + over)):
        assert decoded(framer, pieces)[:2] == ([bytes(8)] * 5, "a value is over the limit of 10 bytes")


def test_a_value_whose_end_is_not_seen_is_held_up_to_the_limit() -> None:
    assert decoded(MessagePack(limit=10), [b"\xc4\x99" + bytes(8)])[1] is None
    assert decoded(MessagePack(limit=10), [b"\xc4\x99" + bytes(9)])[1] == "a value is over the limit of 10 bytes"


def test_what_an_array_claims_to_hold_takes_no_memory() -> None:
    decoder = MessagePack().decoder()
    decoder.feed(b"\xdd\x00\x00\xff\xf0" * 500)
    tracemalloc.start()
    try:
        assert decoder.next() is NEED_MORE
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("item", "error"),
    [
        pytest.param(2**64, "an item is no MessagePack value: Integer value out of range", id="a large integer"),
        pytest.param("\ud800", "surrogates not allowed", id="half a surrogate pair"),
    ],
)
def test_what_message_pack_does_not_have_is_not_sent(item: object, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        MessagePack().encode(item)


def test_what_is_no_value_is_not_sent() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(TypeError, match="can not serialize 'set' object"):
        MessagePack().encode({1})
    with pytest.raises(ValueError, match="recursion limit exceeded"):
        MessagePack().encode(circle)


def test_a_limit_under_one_byte_is_refused() -> None:
    with pytest.raises(ValueError, match=r"limit \(0\) is less than 1 byte"):
        MessagePack(limit=0)


def test_message_pack_in_pure_python_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgpack, "Unpacker", fallback.Unpacker)
    monkeypatch.setattr(msgpack, "unpackb", fallback.unpackb)
    test_in_the_middle_of_a_value_the_rest_is_all_of_it()
    test_a_value_may_be_as_long_as_the_limit()
    test_what_is_no_value_is_a_framing_error_from_then_on(b"\xc1", "a value is not MessagePack")
    test_what_is_no_value_is_a_framing_error_from_then_on(b"\x91" * 5000, "a value is not MessagePack")
