"""What every framer obeys: the theory of `prefork.app.framing.base`, as properties over all of them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork import Fixed, Framer, JSONLines, LengthPrefixed, MessagePack, Netstring
from prefork.app.framing import NEED_MORE, FramingError
from tests.unit.app.framings import CASES, Case, cut, decoded, drained, each_byte, places

MIB = 1024 * 1024

every_framer = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])


@every_framer
@given(draw=st.data(), at=places, lazily=st.booleans())
def test_any_split_of_the_bytes_gives_the_same_items_the_same_error_and_the_same_rest(
    case: Case, draw: st.DataObject, at: list[int], lazily: bool
) -> None:
    def outcome(pieces: list[bytes], *, lazily: bool = False) -> tuple[list[object], object, bytes]:
        items, error, rest = decoded(case.framer, pieces, lazily=lazily, answer=case.answer)
        return items, error if case.own_words else error is None, rest

    raw = draw.draw(case.near)
    whole = outcome([raw] if raw else [])
    assert outcome(cut(raw, at), lazily=lazily) == whole
    assert outcome(each_byte(raw)) == whole


@every_framer
@given(draw=st.data(), at=places, lazily=st.booleans())
def test_what_is_written_is_received(case: Case, draw: st.DataObject, at: list[int], lazily: bool) -> None:
    items = draw.draw(st.lists(case.items, max_size=5))
    raw = b"".join(map(case.write, items))
    assert decoded(case.framer, cut(raw, at), lazily=lazily, answer=case.answer) == (items, None, b"")


@every_framer
@given(draw=st.data(), at=places)
def test_garbage_is_a_framing_error_of_one_line_told_at_every_call(
    case: Case, draw: st.DataObject, at: list[int]
) -> None:
    raw = draw.draw(st.binary(max_size=60) | case.near)
    decoder, encode = case.framer.pair()
    answer = (lambda: encode(case.answer)) if case.answer is not None else (lambda: b"")
    for piece in cut(raw, at):
        decoder.feed(piece)
    _, error = drained(decoder, answer)
    assert error is None or (error.isprintable() and len(error) < 300)
    if error is not None:
        assert drained(decoder) == ([], error)
        decoder.feed(b"a")
        assert drained(decoder) == ([], error)


@every_framer
@given(draw=st.data(), at=places)
def test_after_any_item_another_framer_gets_the_bytes_of_the_later_ones(
    case: Case, draw: st.DataObject, at: list[int]
) -> None:
    items = draw.draw(st.lists(case.items, min_size=1, max_size=4))
    raws = [case.write(item) for item in items]
    for count in range(len(items) + 1):
        decoder, encode = case.framer.pair()
        pieces = cut(b"".join(raws), at)
        got: list[Any] = []
        while len(got) < count:
            if (item := decoder.next()) is NEED_MORE:
                decoder.feed(pieces.pop(0))
                continue
            got.append(item)
            if case.answer is not None:
                encode(case.answer)
        assert got == items[:count]
        assert decoder.rest() + b"".join(pieces) == b"".join(raws[count:])


@every_framer
@given(draw=st.data(), at=places)
def test_in_the_middle_of_an_item_the_rest_begins_with_it(case: Case, draw: st.DataObject, at: list[int]) -> None:
    first, second = (case.write(draw.draw(case.items)) for _ in range(2))
    raw = first + second[:-1]
    items, error, rest = decoded(case.framer, cut(raw, at), answer=case.answer)
    assert (len(items), error, rest) == (1, None, second[:-1])


@every_framer
def test_a_new_decoder_holds_nothing(case: Case) -> None:
    decoder, _ = case.framer.pair()
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, b"")


@every_framer
def test_framers_are_values(case: Case) -> None:
    assert len({case.framer, case.framer}) == 1
    field = fields(case.framer)[0].name  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="cannot assign to field"):
        setattr(case.framer, field, 3)


@every_framer
@given(draw=st.data())
def test_one_whole_frame_is_an_item_for_another_framer_and_less_or_more_is_not(case: Case, draw: st.DataObject) -> None:
    item = draw.draw(case.items)
    raw = case.write(item)
    assert case.framer.decode(raw) == item
    with pytest.raises(FramingError):
        case.framer.decode(raw[:-1])
    with pytest.raises(FramingError):
        case.framer.decode(raw + b"1")


@pytest.mark.parametrize(
    ("framer", "item"),
    [
        pytest.param(Fixed(MIB), bytes(MIB), id="fixed"),
        pytest.param(LengthPrefixed(limit=MIB), bytes(MIB), id="length prefixed"),
        pytest.param(Netstring(limit=MIB), bytes(MIB), id="netstring"),
        pytest.param(JSONLines(limit=MIB), "a" * (MIB - 2), id="a JSON line"),
        pytest.param(JSONLines(limit=MIB), [1] * (MIB // 2 - 1), id="a JSON line of many values"),
        pytest.param(MessagePack(limit=MIB), bytes(MIB - 5), id="MessagePack"),
        pytest.param(MessagePack(limit=MIB), [1] * (MIB - 5), id="MessagePack of many values"),
    ],
)
def test_a_mebibyte_that_comes_by_the_byte_is_taken_in_linear_time(framer: Framer[Any], item: object) -> None:
    raw = framer.encode(item)
    decoder = framer.decoder()
    for at in range(len(raw) - 1):
        decoder.feed(raw[at : at + 1])
        assert decoder.next() is NEED_MORE
    decoder.feed(raw[-1:])
    assert (decoder.next(), decoder.rest()) == (item, b"")
