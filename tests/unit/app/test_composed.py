from __future__ import annotations

import doctest
import zlib
from typing import Any

import pytest

from prefork import JSON, Fixed, LengthPrefixed, Lines, MessagePack, Netstring, compose
from prefork.app.framing import NEED_MORE, FramingError, composed
from tests.unit.app.framings import Number, decoded, each_byte


class Deflate:
    """A codec of bytes, which says of its own error what the peer did."""

    def decode(self, frame: bytes, /) -> bytes:
        try:
            return zlib.decompress(frame)
        except zlib.error as error:
            raise ValueError(f"not deflated: {error}") from None

    def encode(self, item: bytes, /) -> bytes:
        return zlib.compress(item)


def test_each_frame_is_one_item_of_the_codec() -> None:
    framer = compose(LengthPrefixed(2), JSON)
    raw = framer.encode({"a": 1}) + framer.encode([])
    assert raw == b'\x00\x07{"a":1}\x00\x02[]'
    for pieces in ([raw], each_byte(raw)):
        assert decoded(framer, pieces) == ([{"a": 1}, []], None, b"")


def test_a_codec_makes_items_of_any_type_of_frame() -> None:
    framer = compose(Lines, Number())
    assert framer.encode(12) == b"12\n"
    assert decoded(framer, [b"1\n22\n3"]) == ([1, 22], None, b"3")


def test_a_framer_is_a_codec_whose_frame_is_one_whole_item() -> None:
    framer = compose(Netstring, MessagePack)
    assert framer.encode([1]) == b"2:\x91\x01,"
    assert decoded(framer, [b"2:\x91\x01,"]) == ([[1]], None, b"")
    assert decoded(framer, [b"1:\x91,"])[1] == "a frame of 1 bytes holds no whole item"
    assert decoded(framer, [b"0:,"])[1] == "a frame of 0 bytes holds no whole item"
    assert decoded(framer, [b"2:\x01\x01,"])[1] == "a frame of 2 bytes holds more than one item"


def test_stacks_are_made_of_two_at_a_time() -> None:
    framer = compose(compose(LengthPrefixed(4), Deflate), JSON)
    raw = framer.encode(["a"] * 1000)
    assert len(raw) < 100
    assert framer.decode(raw) == ["a"] * 1000
    _, error, _ = decoded(framer, [b"\x00\x00\x00\x01x"])
    assert error is not None
    assert error.startswith("not deflated: Error -")


def test_the_codecs_value_error_is_the_peers_bad_frame_from_then_on() -> None:
    decoder = compose(Lines, Number).decoder()
    decoder.feed(b"1\nx\n2\n")
    assert decoder.next() == 1
    for _ in range(2):
        with pytest.raises(FramingError, match="invalid literal for int"):
            decoder.next()


def test_a_bad_frame_that_is_taken_at_once_is_bad_from_then_on() -> None:
    decoder = compose(Lines, Number).decoder()
    for line in (b"x\n", b"3\n"):
        with pytest.raises(FramingError, match="invalid literal for int"):
            decoder.take(line)


def test_a_value_error_without_words_is_named() -> None:
    class Mute(Number):
        def decode(self, frame: str, /) -> int:
            raise ValueError if frame else TypeError

    with pytest.raises(FramingError, match="a frame's content is bad: ValueError"):
        compose(Lines, Mute).decoder().take(b"x\n")


def test_any_other_error_is_the_codecs_own() -> None:
    class Broken(Number):
        def decode(self, frame: str, /) -> int:
            return len(frame) // 0

    with pytest.raises(ZeroDivisionError):
        compose(Lines, Broken).decoder().take(b"x\n")


def test_the_limit_is_the_outer_framers() -> None:
    framer = compose(Netstring(limit=4), JSON)
    with pytest.raises(ValueError, match="a netstring of 5 bytes is over the limit of 4 bytes"):
        framer.encode(12345)
    assert decoded(framer, [b"5"])[1] == "a netstring is over the limit of 4 bytes"


def test_a_composed_framer_shares_the_state_that_its_outer_framer_shares() -> None:
    class Counted(Lines):
        __slots__ = ()

        def pair(self) -> Any:
            sent: list[str] = []

            def encode(item: str) -> bytes:
                sent.append(item)
                return f"{len(sent)} {item}\n".encode()

            return self.decoder(), encode

    decoder, encode = compose(Counted(), Number).pair()
    assert (encode(7), encode(8)) == (b"1 7\n", b"2 8\n")
    assert decoder.take(b"9\n") == 9
    assert decoder.next() is NEED_MORE


@pytest.mark.parametrize(
    ("outer", "inner", "error"),
    [
        (5, JSON, "compose takes a framer first, not 5"),
        (JSON, Lines, r"compose takes a framer first, not JSON\(\)"),
        (Lines, 5, "compose takes a codec or a framer second, and 5 lacks decode or encode"),
        (Fixed, JSON, "missing 1 required positional argument: 'size'"),
    ],
)
def test_what_is_no_framer_or_no_codec_is_refused(outer: Any, inner: Any, error: str) -> None:
    with pytest.raises(TypeError, match=error):
        compose(outer, inner)


def test_composed_framers_are_values() -> None:
    assert compose(Lines, JSON) == compose(Lines(), JSON()) != compose(Lines(8), JSON)  # type: ignore[arg-type]


def test_the_docstring_example_is_true() -> None:
    failed, tried = doctest.testmod(composed)
    assert (failed, tried > 0) == (0, True)
