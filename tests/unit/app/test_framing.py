from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.app.framing import NEED_MORE, FramingError, Lines, Stream, base
from tests.unit.app.framings import cut, decoded, places

line_bytes = st.lists(
    st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\xc3", b"\xa9", b"\xff", b"\x00", b"bcdef"]), max_size=40
).map(b"".join)


@given(raw=line_bytes, at=places, limit=st.integers(1, 12), lazily=st.booleans())
def test_any_split_of_the_bytes_gives_the_same_lines_and_the_same_error(
    raw: bytes, at: list[int], limit: int, lazily: bool
) -> None:
    items, error, rest = decoded(Lines(limit), [raw] if raw else [])
    assert decoded(Lines(limit), cut(raw, at), lazily=lazily) == (items, error, rest)


@given(raw=st.binary(max_size=200), at=places, limit=st.integers(1, 12), lazily=st.booleans())
def test_a_stream_gives_the_bytes_that_came_and_never_more_than_its_limit(
    raw: bytes, at: list[int], limit: int, lazily: bool
) -> None:
    items, error, rest = decoded(Stream(limit), cut(raw, at), lazily=lazily)
    assert (b"".join(map(bytes, items)), error, rest) == (raw, None, b"")  # type: ignore[arg-type]
    assert all(0 < len(bytes(item)) <= limit for item in items)  # type: ignore[call-overload]


@given(
    lines=st.lists(st.text(alphabet=st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=20)), at=places
)
def test_what_lines_encode_they_decode(lines: list[str], at: list[int]) -> None:
    raw = b"".join(Lines().encode(line) for line in lines)
    assert decoded(Lines(), cut(raw, at)) == (lines, None, b"")


@given(raw=st.binary(max_size=300), at=places)
def test_garbage_gives_items_or_a_framing_error_and_nothing_else(raw: bytes, at: list[int]) -> None:
    items, error, rest = decoded(Lines(8), cut(raw, at))
    assert all(isinstance(item, str) for item in items)
    assert error is not None or b"\n" not in rest


@pytest.mark.parametrize(
    ("raw", "items", "rest"),
    [
        pytest.param(b"a\nb\n", ["a", "b"], b"", id="lines end with LF"),
        pytest.param(b"a\r\nb\r\n", ["a", "b"], b"", id="lines end with CRLF"),
        pytest.param(b"\n\r\n", ["", ""], b"", id="an empty line is a line"),
        pytest.param(b"a\rb\n", ["a\rb"], b"", id="a lone CR is content"),
        pytest.param(b"a\r\r\n", ["a\r"], b"", id="one CR is taken off, not two"),
        pytest.param(b"a\nquit", ["a"], b"quit", id="a last line without an end is no line, and stays in rest"),
        pytest.param("é\n".encode(), ["é"], b"", id="UTF-8"),
    ],
)
def test_lines(raw: bytes, items: list[str], rest: bytes) -> None:
    assert decoded(Lines(), [raw]) == (items, None, rest)
    assert decoded(Lines(), cut(raw, list(range(len(raw))))) == (items, None, rest)


@pytest.mark.parametrize(
    ("raw", "items", "error"),
    [
        pytest.param(b"12345678\n", ["12345678"], None, id="a line may be as long as the limit"),
        pytest.param(b"ok\n123456789\n", ["ok"], "a line is over the limit of 8 bytes", id="one byte more is refused"),
        pytest.param(b"123456789", [], "a line is over the limit of 8 bytes", id="so it is before its end is seen"),
        pytest.param(b"ok\n\xff\n", ["ok"], "a line is not UTF-8: invalid start byte in b'\\xff'", id="bad UTF-8"),
    ],
)
def test_lines_limit_and_garbage(raw: bytes, items: list[str], error: str | None) -> None:
    assert decoded(Lines(8), [raw])[:2] == (items, error)
    assert decoded(Lines(8), cut(raw, list(range(len(raw)))))[:2] == (items, error)


def test_a_bad_frame_is_told_at_every_call() -> None:
    decoder = Lines(4).decoder()
    decoder.feed(b"12345\nok\n")
    for _ in range(2):
        with pytest.raises(FramingError):
            decoder.next()


def test_rest_is_what_a_change_of_framer_needs() -> None:
    decoder = Lines().decoder()
    decoder.feed(b"upgrade\r\n\x00\x01")
    decoder.feed(b"\x02")
    assert (decoder.next(), decoder.rest()) == ("upgrade", b"\x00\x01\x02")


def test_a_line_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a line can't hold a line break: 'a\\nb'; send each line by itself"):
        Lines().encode("a\nb")


def test_an_item_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="Lines sends str, not bytes"):
        Lines().encode(b"a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Stream sends bytes, not str"):
        Stream().encode("a")  # type: ignore[arg-type]


def test_a_mutable_item_is_copied() -> None:
    item = bytearray(b"abc")
    sent = Stream().encode(item)  # type: ignore[arg-type]
    item[0] = 0
    assert sent == b"abc"


def test_framers_are_values() -> None:
    assert Lines(80) == Lines(limit=80) != Lines()
    assert len({Stream(), Stream(), Lines()}) == 2
    with pytest.raises(AttributeError):
        Lines().limit = 3  # type: ignore[misc]


def test_a_limit_under_one_byte_is_refused() -> None:
    with pytest.raises(ValueError, match=r"limit \(0\) is less than 1 byte"):
        Lines(limit=0)
    with pytest.raises(ValueError, match=r"limit \(-1\) is less than 1 byte"):
        Stream(limit=-1)


def test_the_docstring_example_is_true() -> None:
    failed, tried = doctest.testmod(base)
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize("lazily", [True, False])
def test_a_long_line_in_small_chunks_is_joined_once(lazily: bool) -> None:
    count = 64 * 1024
    decoder = Lines().decoder()
    for _ in range(count - 1):
        decoder.feed(b"x")
        if not lazily:
            assert decoder.next() is NEED_MORE
    decoder.feed(b"\n")
    assert decoder.next() == "x" * (count - 1)


def test_a_pair_is_decoder_and_encoder_unless_the_framer_says_otherwise() -> None:
    decoder, encode = Lines().pair()
    assert encode("a") == b"a\n"
    assert decoder.take(b"a\n") == "a"


def test_a_framer_decodes_one_whole_frame_and_no_more() -> None:
    assert Lines().decode(b"a\n") == "a"
    for raw, error in [(b"", "a frame of 0 bytes holds no"), (b"a", "no whole item"), (b"a\nb", "more than one item")]:
        with pytest.raises(FramingError, match=error):
            Lines().decode(raw)
