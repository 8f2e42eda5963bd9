from __future__ import annotations

from typing import Any

import pytest

from prefork import Fixed, Framer, LengthPrefixed, Netstring
from prefork.app.framing import NEED_MORE, FramingError
from tests.unit.app.framings import decoded, each_byte

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("framer", "item", "raw"),
    [
        pytest.param(Fixed(3), b"abc", b"abc", id="a block is its bytes"),
        pytest.param(LengthPrefixed(), b"abc", b"\x00\x00\x00\x03abc", id="four bytes, big end first, by default"),
        pytest.param(LengthPrefixed(1), b"", b"\x00", id="an empty frame is a frame"),
        pytest.param(LengthPrefixed(2, "little"), b"abc", b"\x03\x00abc", id="two bytes, little end first"),
        pytest.param(LengthPrefixed(8), b"a", b"\x00\x00\x00\x00\x00\x00\x00\x01a", id="eight bytes"),
        pytest.param(Netstring(), b"hello world!", b"12:hello world!,", id="the example of the netstring's source"),
        pytest.param(Netstring(), b"", b"0:,", id="the empty netstring"),
        pytest.param(Netstring(), b",:5", b"3:,:5,", id="a netstring may hold what looks like one"),
    ],
)
def test_a_frame_on_the_wire(framer: Framer[bytes], item: bytes, raw: bytes) -> None:
    assert framer.encode(item) == raw
    assert framer.encode(memoryview(item)) == raw  # type: ignore[arg-type]
    assert decoded(framer, [raw]) == ([item], None, b"")
    assert decoded(framer, [raw + raw[:-1]]) == ([item], None, raw[:-1])
    assert type(framer.decode(raw)) is bytes


@pytest.mark.parametrize(
    ("framer", "fits", "over", "error"),
    [
        pytest.param(
            LengthPrefixed(2, limit=8), b"\x00\x0812345678", b"\x00\x09",
            "a frame of 9 bytes is over the limit of 8 bytes", id="a prefix",
        ),
        pytest.param(
            LengthPrefixed(8, limit=8), b"\x00\x00\x00\x00\x00\x00\x00\x0812345678", b"\xff" * 8,
            "a frame of 18446744073709551615 bytes is over the limit of 8 bytes", id="the largest prefix",
        ),
        pytest.param(
            Netstring(limit=12), b"12:123456789012,", b"13",
            "a netstring is over the limit of 12 bytes", id="a netstring, before its colon",
        ),
        pytest.param(
            Netstring(limit=12), b"9:123456789,", b"123", "a netstring is over the limit of 12 bytes", id="its digits"
        ),
    ],
)  # fmt: skip
def test_a_frame_over_the_limit_is_refused_before_its_content(
    framer: Framer[bytes], fits: bytes, over: bytes, error: str
) -> None:
    for pieces in ([fits + over], each_byte(fits + over)):
        items, told, _ = decoded(framer, pieces)
        assert (len(items), told) == (1, error)
    assert decoded(framer, [over[:-1]])[1] is None


def test_a_whole_frame_over_the_limit_is_refused_as_well() -> None:
    over = LengthPrefixed(limit=9).encode(bytes(9))
    assert decoded(LengthPrefixed(limit=8), [over])[1] == "a frame of 9 bytes is over the limit of 8 bytes"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(b"05:hello,", "a netstring's length is malformed: b'05'", id="a leading zero"),
        pytest.param(b"00:,", "a netstring's length is malformed: b'00'", id="two zeros"),
        pytest.param(b":,", "a netstring's length is malformed: b':'", id="no length"),
        pytest.param(b" 1:a,", "a netstring's length is malformed: b' '", id="a blank"),
        pytest.param(b"+1:a,", "a netstring's length is malformed: b'+'", id="a sign"),
        pytest.param(b"1 :a,", "a netstring's length is malformed: b'1 '", id="a blank before the colon"),
        pytest.param(b"\xb2:aa,", "a netstring's length is malformed: b'\\xb2'", id="a digit that is not ASCII"),
        pytest.param(b"1:aa", "a netstring doesn't end with a comma", id="no comma"),
        pytest.param(b"0::", "a netstring doesn't end with a comma", id="no comma after nothing"),
    ],
)
def test_a_malformed_netstring(raw: bytes, error: str) -> None:
    assert decoded(Netstring(), [b"1:x," + raw]) == ([b"x"], error, b"")
    assert decoded(Netstring(), each_byte(raw)) == ([], error, b"")


@pytest.mark.parametrize(
    ("framer", "item", "error"),
    [
        (Fixed(3), b"ab", "a block of 2 bytes is not of the fixed size of 3 bytes"),
        (LengthPrefixed(4, limit=2), b"abc", "a frame of 3 bytes is over the limit of 2 bytes"),
        (LengthPrefixed(1), bytes(256), "a frame of 256 bytes is over the limit of 255 bytes"),
        (Netstring(limit=2), b"abc", "a netstring of 3 bytes is over the limit of 2 bytes"),
    ],
)
def test_what_the_peer_would_refuse_is_not_sent(framer: Framer[bytes], item: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        framer.encode(item)


@pytest.mark.parametrize("framer", [Fixed(3), LengthPrefixed(), Netstring()])
def test_only_bytes_are_sent(framer: Any) -> None:
    with pytest.raises(TypeError, match=f"{type(framer).__name__} sends bytes, not str"):
        framer.encode("abc")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Fixed(0), r"size \(0\) is less than 1 byte"),
        (lambda: Netstring(limit=0), r"limit \(0\) is less than 1 byte"),
        (lambda: LengthPrefixed(limit=-1), r"limit \(-1\) is less than 1 byte"),
        (lambda: LengthPrefixed(3), r"prefix \(3\) is none of 1, 2, 4 and 8 bytes"),  # type: ignore[arg-type]
        (lambda: LengthPrefixed(4, "middle"), r"byteorder \('middle'\) is neither"),  # type: ignore[arg-type]
    ],
)
def test_a_framer_that_can_not_be_is_refused(make: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()


@pytest.mark.parametrize(
    ("framer", "raw"),
    [
        (Fixed(4), b"abcd"),
        (LengthPrefixed(), b"\x00\x00\x00\x02ab"),
        (LengthPrefixed(1), b"\x00"),
    ],
)
def test_a_chunk_that_is_one_frame_is_taken_at_once(framer: Framer[bytes], raw: bytes) -> None:
    decoder = framer.decoder()
    for _ in range(2):
        assert decoder.take(raw) == framer.decode(raw)
        assert decoder.rest() == b""
    decoder.feed(raw[:-1] or raw)
    assert decoder.take(raw) is NEED_MORE


def test_a_chunk_of_very_many_frames_is_taken_in_linear_time() -> None:
    decoder = LengthPrefixed(1).decoder()
    decoder.feed(b"\x01a" * (2 * MIB))
    for _ in range(2 * MIB):
        assert decoder.next() == b"a"
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, b"")


def test_bytes_that_were_fed_after_a_bad_frame_change_nothing() -> None:
    decoder = Netstring().decoder()
    decoder.feed(b"1:ab")
    for _ in range(3):
        with pytest.raises(FramingError, match="comma"):
            decoder.next()
        decoder.feed(b",")
