from __future__ import annotations

import math
import re
from typing import Any

import pytest

from prefork import JSON, JSONLines
from prefork.app.framing import FramingError
from tests.unit.app.framings import decoded, each_byte


@pytest.mark.parametrize(
    ("raw", "items"),
    [
        pytest.param(b'{"a":[1,2.5,null,true,"x"]}\n', [{"a": [1, 2.5, None, True, "x"]}], id="a document"),
        pytest.param(b"1\r\n 2 \n", [1, 2], id="CRLF and blanks"),
        pytest.param(b"null\n", [None], id="None is an item"),
        pytest.param('"é\\u00e9"\n'.encode(), ["éé"], id="UTF-8, and escapes"),
        pytest.param(b'{"a":1,"a":2}\n', [{"a": 2}], id="the last of two equal names counts"),
        pytest.param(b'"\\ud800"\n', ["\ud800"], id="half a surrogate pair"),
        pytest.param(b"12345678901234567890123\n", [12345678901234567890123], id="an integer of any size"),
    ],
)
def test_documents(raw: bytes, items: list[object]) -> None:
    assert decoded(JSONLines(), [raw]) == (items, None, b"")


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(b"{\n", "a document is not JSON: Expecting property name", id="half a document"),
        pytest.param(b"1 2\n", "a document is not JSON: Extra data", id="two documents in a line"),
        pytest.param(b"\n", "a document is not JSON: Expecting value", id="an empty line"),
        pytest.param(b"\xef\xbb\xbf1\n", "a document is not JSON: Expecting value", id="a byte order mark"),
        pytest.param(b'"\xff"\n', "a line is not UTF-8: invalid start byte", id="no UTF-8"),
        pytest.param(b"NaN\n", "a document is not JSON: NaN is no JSON", id="NaN"),
        pytest.param(b"[-Infinity]\n", "a document is not JSON: -Infinity is no JSON", id="Infinity"),
        pytest.param(b"-1e999\n", "a document is not JSON: -1e999 is too large a number", id="infinite in effect"),
        pytest.param(b"9" * 5000 + b"\n", "a document is not JSON: Exceeds the limit", id="digits by the thousand"),
        pytest.param(b"[" * 60_000 + b"\n", "a JSON document is nested too deeply", id="deeply nested"),
        pytest.param(b'{"a":' * 12_000 + b"\n", "a JSON document is nested too deeply", id="deeply nested objects"),
    ],
)
def test_what_is_no_document_is_a_framing_error_from_then_on(raw: bytes, error: str) -> None:
    items, told, _ = decoded(JSONLines(), [b"1\n" + raw + b"2\n"])
    assert items == [1]
    assert told is not None
    assert told.startswith(error)
    decoder = JSONLines().decoder()
    for line in (raw, b"1\n"):
        decoder.feed(line)
        with pytest.raises(FramingError, match=re.escape(error)):
            decoder.next()


def test_a_document_may_be_as_long_as_the_limit() -> None:
    framer = JSONLines(limit=10)
    assert framer.encode("12345678") == b'"12345678"\n'
    with pytest.raises(ValueError, match="a JSON document of 11 bytes is over the limit of 10 bytes"):
        framer.encode("123456789")
    for pieces in ([b'"12345678"\n"1234567890'], each_byte(b'"12345678"\n"1234567890')):
        assert decoded(framer, pieces)[:2] == (["12345678"], "a line is over the limit of 10 bytes")


@pytest.mark.parametrize(
    ("item", "raw"),
    [
        pytest.param({"a": [1, None]}, b'{"a":[1,null]}\n', id="no blanks"),
        pytest.param("é\n", '"é\\n"\n'.encode(), id="UTF-8, a line break as an escape"),
        pytest.param("\ud800é", b'"\\ud800\\u00e9"\n', id="half a surrogate pair as an escape"),
    ],
)
def test_what_is_sent(item: object, raw: bytes) -> None:
    assert JSONLines().encode(item) == raw
    assert JSON().encode(item) + b"\n" == raw


@pytest.mark.parametrize("item", [math.nan, math.inf, [-math.inf], {"a": math.nan}, {math.inf: 1}])
def test_what_is_not_finite_is_not_sent(item: object) -> None:
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        JSONLines().encode(item)


def test_what_json_does_not_have_is_not_sent() -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TypeError, match="Object of type set is not JSON serializable"):
        JSONLines().encode({1})
    with pytest.raises(ValueError, match="Circular reference"):
        JSONLines().encode(circle)
    with pytest.raises(ValueError, match="a value is nested too deeply for JSON"):
        JSONLines().encode(deep)


def test_a_frame_is_a_document_for_the_codec() -> None:
    assert JSON().decode('{"a": "é"}\r\n'.encode()) == {"a": "é"}
    with pytest.raises(FramingError, match=r"a document is not UTF-8: invalid start byte in b'\\xff'"):
        JSON().decode(b"\xff")
    with pytest.raises(FramingError, match="a document is not JSON"):
        JSON().decode(b"")


def test_a_limit_under_one_byte_is_refused() -> None:
    with pytest.raises(ValueError, match=r"limit \(0\) is less than 1 byte"):
        JSONLines(limit=0)
