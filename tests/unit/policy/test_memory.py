"""Memory survives JSON, so that a replay or a shadow can carry on with it."""

from __future__ import annotations

import pytest

from prefork.policy.estimates import Estimates
from prefork.policy.memory import Memory

LOAD = Estimates(sampled_at=9, rate=3, needs=((1, 5), (2, 3)), slots=((1, ((0, 7), (2, 5))), (2, ())), grew_at=4)
FULL = Memory(
    last_now=9, degraded_at=5, forced_molds=((1, 2), (3, 4)), window_since=1, window=((1, 0), (2, 3)), demand=LOAD
)


@pytest.mark.parametrize("memory", [Memory(), FULL])
def test_one_line_of_json_gives_the_same_memory(memory: Memory) -> None:
    text = memory.to_json()
    assert "\n" not in text
    assert " " not in text
    assert Memory.from_json(text) == memory


def test_what_an_older_version_left_out_has_its_default() -> None:
    assert Memory.from_json('{"last_now":7}') == Memory(last_now=7)


@pytest.mark.parametrize(
    "text", ["[]", "7", '{"last_now":1,"tomorrow":2}', '{"demand":{"tomorrow":2}}', '{"demand":7}']
)
def test_anything_else_is_refused_with_what_it_was(text: str) -> None:
    with pytest.raises(ValueError, match="no memory of this version of prefork") as caught:
        Memory.from_json(text)
    assert repr(text) in str(caught.value)


def test_a_long_text_is_refused_with_its_beginning() -> None:
    with pytest.raises(ValueError, match="no memory") as caught:
        Memory.from_json("[" + "1," * 200 + "1]")
    assert len(str(caught.value)) < 150


def test_no_json_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        Memory.from_json("")
