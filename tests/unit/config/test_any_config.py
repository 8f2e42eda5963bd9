"""Whatever a file says, the answer is a config or one printable line."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.errors import ConfigError
from prefork.layers import Sources, load
from prefork.layers.shape import shape

_PATHS = st.sampled_from(
    [
        *(leaf.path for leaf in shape().leaves.values()),
        *(("pool",), ("pool", "sizing"), ("listen", "x"), ("backends",), ("backends", "x"), ("pools",), ("pool", "x")),
    ]
)
_WORDS = st.sampled_from(["spare", "static", "tcp://h:1", "unix:x", "a:b", "30s", "1MiB", "25%", ""])
_VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "kind", "url"]), inner, max_size=3)
    ),
    max_leaves=4,
)


def _nested(said: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (*above, last), value in said:
        table = tree
        for key in above:
            if not isinstance(table.get(key), dict):
                table[key] = {}
            table = table[key]
        table[last] = value
    return tree


@given(st.lists(st.tuples(_PATHS, _VALUES), max_size=4))
@settings(max_examples=300)
def test_any_settings_are_a_config_or_one_line(said: list[tuple[tuple[str, ...], Any]]) -> None:
    try:
        load(Sources("/nowhere", flags={"app": "a:b"} | _nested(said)))
    except ConfigError as error:
        text = str(error)
        assert text.isprintable()
        assert not re.search(r"is refused|function-|validation error", text)  # pydantic's own words
