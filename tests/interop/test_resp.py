"""The framer of the small Redis, without a server: any split of the same bytes gives the same items."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork import Framer, FramingError
from prefork.app.framing import NEED_MORE
from prefork.app.naming import import_app_object
from tests.interop.programs import EXAMPLES

Resp = cast("type[Framer[Any]]", import_app_object(f"{EXAMPLES}/redis_mini.py:Resp"))
LIMIT = cast("int", import_app_object(f"{EXAMPLES}/redis_mini.py:LIMIT"))

words = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
inline = st.lists(st.sampled_from([b"PING", b"get", b"a"]), max_size=3).map(lambda each: b" ".join(each) + b"\r\n")
almost = st.sampled_from(
    [b"*", b"$", b"\r\n", b"\n", b"1", b"2", b"00", b"-1", b"GET", b" ", b"x\r\n", b"*1\r\n$1\r\n"]
)


def decoded(chunks: list[bytes]) -> tuple[list[Any], bytes]:
    """All items, an error as its text; and the rest, where the end was no error."""
    decoder = Resp().decoder()
    items: list[Any] = []
    for chunk in filter(None, chunks):
        decoder.feed(chunk)
        while (item := decoder.next()) is not NEED_MORE:
            if isinstance(item, FramingError):
                with pytest.raises(FramingError):
                    decoder.next()
                return [*items, str(item)], b""
            items.append(item)
    return items, decoder.rest()


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(raw), *(each % (len(raw) + 1) for each in at)})
    return [raw[start:end] for start, end in pairwise(edges)]


def singly(raw: bytes) -> list[bytes]:
    return cut(raw, list(range(len(raw))))


@given(st.lists(words), st.lists(st.integers(0)))
def test_commands_arrive_as_they_were_sent(commands: list[list[bytes]], at: list[int]) -> None:
    raw = b"".join(map(Resp().encode, commands))
    assert decoded(cut(raw, at)) == (commands, b"")


@given(
    st.lists(st.one_of(st.binary(), almost, inline, words.map(Resp().encode))).map(b"".join), st.lists(st.integers(0))
)
def test_any_split_gives_the_same_items_and_the_same_error(raw: bytes, at: list[int]) -> None:
    assert decoded(cut(raw, at)) == decoded([raw]) == decoded(singly(raw))


@pytest.mark.parametrize(
    ("raw", "items", "rest"),
    [
        pytest.param(b"GET  a\r\nPING\n", [[b"GET", b"a"], [b"PING"]], b"", id="what a person types"),
        pytest.param(b"*1\r\n$4\r\n\r\n\x00\xff\r\n", [[b"\r\n\x00\xff"]], b"", id="a word holds any bytes"),
        pytest.param(b"*1\r\n$0\r\n\r\n", [[b""]], b"", id="or none"),
        pytest.param(b"\r\n*0\r\n \nPING\r\n", [[b"PING"]], b"", id="no words are no command"),
        pytest.param(b"PING\n*2\r\n$1\r\na\r\n$1", [[b"PING"]], b"*2\r\n$1\r\na\r\n$1", id="the rest is whole"),
        pytest.param(b"*-1\r\n", ["expected * and a number up to 1048576, got b'*-1'"], b"", id="a negative count"),
        pytest.param(b"*1\r\nPING\r\n", ["expected $ and a number up to 1048564, got b'PING'"], b"", id="no length"),
        pytest.param(b"*1\r\n$2\r\nPING\r\n", ["a word is longer than 2 bytes, its length"], b"", id="a wrong length"),
        pytest.param(
            b"*1\r\n$99999999\r\n", ["expected $ and a number up to 1048559, got b'$99999999'"], b"", id="vast"
        ),
    ],
)
def test_frames(raw: bytes, items: list[Any], rest: bytes) -> None:
    assert decoded([raw]) == decoded(singly(raw)) == (items, rest)


@pytest.mark.parametrize("step", [1000, 2 * LIMIT])
@pytest.mark.parametrize("head", [b"*1\r\n$%d\r\n", b""], ids=["a word", "a line"])
def test_a_command_may_be_as_long_as_the_limit_and_no_byte_longer(head: bytes, step: int) -> None:
    for size in (LIMIT, LIMIT + 1):
        began = head and head % (size - len(b"*1\r\n$1234567\r\n\r\n"))
        raw = began + b"x" * (size - len(began) - 2) + b"\r\n"
        (item,), _ = decoded([raw[at : at + step] for at in range(0, size, step)])
        assert (len(raw), isinstance(item, list)) == (size, size == LIMIT)


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("OK", b"+OK\r\n"),
        (ValueError("syntax"), b"-ERR syntax\r\n"),
        (-7, b":-7\r\n"),
        (b"\r\n", b"$2\r\n\r\n\r\n"),
        (b"", b"$0\r\n\r\n"),
        (None, b"$-1\r\n"),
        ([], b"*0\r\n"),
        ([b"a", b"bc"], b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n"),
    ],
)
def test_values(value: object, raw: bytes) -> None:
    assert Resp().encode(value) == raw
