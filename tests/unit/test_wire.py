"""Records survive the channel; anything else is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork import wire

RECORDS = [
    wire.Bell(),
    wire.Start({"app": "x:Y"}),
    wire.Fork(3, 4),
    wire.MoldReady(10),
    wire.MoldFailed("no\n", "frames"),
    wire.ForkFailed(3, 11),
    wire.Born(123),
    wire.Ready(),
    wire.Declined(),
    wire.Failed("why", ""),
    wire.Request("stop", "app"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_out_as_it_went_in(record: wire.Record) -> None:
    assert wire.unpack(wire.pack(record)) == record
    assert wire.pack(record)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'["Nobody"]', b'["Born"]', b'["Born",1,2]', b"{}", b"\xff", b'[["Bell"]]', b"1"]
)
def test_what_pack_never_makes_is_refused(raw: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(raw)


@given(st.binary(max_size=200))
def test_garbage_is_a_record_or_a_wire_error_and_nothing_else(raw: bytes) -> None:
    with contextlib.suppress(wire.WireError):
        wire.unpack(raw)


def test_words_have_places_of_their_own_and_fit_the_slot() -> None:
    names = "TAG HEARTBEAT TURN_AT ACCEPTED CLOSED BUSY RSS GATE ACTUAL IDLE_SINCE ERRORS REFUSED CPU PLACES"
    places = [getattr(wire, name) for name in f"{names} WANTED DRAIN_BY MAX_SERVED".split()]
    assert len(set(places)) == len(places)
    assert max(places) < wire.WORDS
    assert {wire.WANTED, wire.DRAIN_BY, wire.MAX_SERVED} == {
        place for place in places if place >= 16
    }  # the master's cache line


@pytest.mark.parametrize(
    "raw",
    [
        b'["Born","x"]',
        b'["Failed",5,6]',
        b'["MoldReady",1.5]',
        b'["Request","pause","bogus"]',
        b'["Request","x","app"]',
    ],
)
def test_a_field_of_the_wrong_type_or_word_is_refused(raw: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(raw)


def test_a_deep_nest_is_refused() -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(b"[" * 100_000)


@pytest.mark.parametrize("text", ["Gr\u00fc\u00dfe", "\udc80 from a file's name", "a\nb", ""])
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    assert wire.unpack(wire.pack(wire.Failed(text, text))) == wire.Failed(text, text)


def test_a_record_is_as_short_as_it_can_be() -> None:
    assert wire.pack(wire.Failed("\u00fc", "")) == b'["Failed","\xc3\xbc",""]'


def test_a_text_that_just_fits_one_record_is_told_whole() -> None:
    around = len(wire.pack(wire.Failed("", "")))
    text = "x" * (wire.MAX_RECORD - around)
    assert wire.unpack(wire.pack(wire.Failed(text, ""))) == wire.Failed(text, "")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"x" * 99, "Expecting value: line 1 column 1 (char 0)"),
        (b'["Born","' + b"x" * 99 + b'"]', "a field is of the wrong type"),
        (b'["Request","' + b"x" * 99 + b'","app"]', "no such request"),
    ],
)
def test_a_refusal_shows_how_the_record_begins(raw: bytes, why: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.unpack(raw)
    assert str(caught.value) == f"record {raw[:60]!r}: {why}"


def test_a_text_that_is_too_long_is_cut_to_fit_one_record() -> None:
    raw = wire.pack(wire.Failed("\N{SNOWMAN}" * wire.MAX_RECORD, "\N{SNOWMAN}" * wire.MAX_RECORD))
    assert len(raw) <= wire.MAX_RECORD
    assert isinstance(wire.unpack(raw), wire.Failed)


@pytest.mark.parametrize(
    ("ms", "bucket"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 3),
        (7, 3),
        (8, 4),
        (511, 9),
        (512, 10),
        (1023, 10),
        (1024, 11),
        (2**32 - 1, 11),
    ],
)
def test_a_wait_has_its_bucket(ms: int, bucket: int) -> None:
    assert wire.wait_bucket(ms) == wire.WAITS + bucket
    assert wire.WAITS + wire.WAIT_BUCKETS <= wire.WORDS


@pytest.mark.parametrize(
    ("waits", "share", "between"),
    [
        pytest.param({}, 0.99, None, id="nobody"),
        pytest.param({0: 99, 5: 1}, 0.99, (0, 1), id="all but one did not wait"),
        pytest.param({0: 98, 5: 2}, 0.99, (16, 32), id="all but two"),
        pytest.param({3: 1}, 0.5, (4, 8), id="one"),
        pytest.param({1: 5}, 0, (1, 2), id="the least"),
        pytest.param({11: 1}, 0.99, (1024, None), id="a second and more"),
    ],
)
def test_a_quantile_of_waits_is_a_range(
    waits: dict[int, int], share: float, between: tuple[int, int | None] | None
) -> None:
    counts = [waits.get(bucket, 0) for bucket in range(wire.WAIT_BUCKETS)]
    assert wire.wait_quantile(counts, share) == between


def test_no_two_words_of_a_slot_are_one() -> None:
    names = (
        "TAG HEARTBEAT TURN_AT ACCEPTED CLOSED BUSY RSS GATE ACTUAL IDLE_SINCE ERRORS REFUSED CPU PLACES HELD DROPPED"
    )
    places = [getattr(wire, name) for name in f"{names} WANTED DRAIN_BY MAX_SERVED HELD_AT WAITS".split()]
    assert len(set(places)) == len(places)
    assert max(places) == wire.WAITS
