"""docs/CONFIG.md is what the model says, and what it says is so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefork.cli.main import run
from prefork.cli.reference import reference
from prefork.layers import Sources, load
from prefork.layers.shape import shape
from tests.docs.markdown import DOCS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_KEY = re.compile(r"^\| `(?P<key>\w+)` \|[^|]*\| `(?P<default>[^|]+)` \|", re.MULTILINE)


def said_defaults(kind: str) -> str:
    """A prefork.toml that says every default of the reference; of the tables with kinds this one."""
    lines = []
    for section in reference().split("\n## ")[1:]:
        title, _, rows = section.partition("\n")
        keys = [f"{found['key']} = {found['default']}" for found in _KEY.finditer(rows) if found["key"] != "kind"]
        kinds = re.findall(r'kind = "(\w+)"', title)
        if "listen" in title or not (keys or kinds) or (kinds and kinds != [kind]):
            continue
        table = re.search(r"`\[([\w.]+)\]`", title)
        lines += [f"[{table[1]}]"] if table else []
        lines += [*keys, *(f'kind = "{each}"' for each in kinds)]
    return "\n".join(lines)


def test_the_reference_is_what_the_model_says() -> None:
    assert (DOCS / "CONFIG.md").read_text() == reference(), "write it anew: make docs"


def test_prefork_schema_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--markdown"]) == 0
    assert capsys.readouterr().out == reference()


def test_every_key_variable_and_flag_is_there() -> None:
    text = reference()
    names = {name for leaf in shape().leaves.values() for name in (leaf.path[-1], leaf.variable)}
    flags = {flag for leaf in shape().leaves.values() for flag in shape().flags(leaf) if leaf.path != ("app",)}
    assert {name for name in names | flags if f"`{name}`" not in text} == set()


def test_an_option_of_a_loop_has_its_type_in_words() -> None:
    assert "`[backends.threads]` `max_threads`: whole number; default `1000`" in reference()


def test_a_file_that_says_every_default_says_nothing_new(tmp_path: Path) -> None:
    said = tmp_path / "said.toml"
    for kind in shape().choices["pool", "sizing"].members:
        said.write_text(said_defaults(kind))
        told = load(Sources(str(tmp_path), "said.toml", {"app": "a:b"}))
        silent = load(Sources(str(tmp_path), None, {"app": "a:b", "pool": {"sizing": {"kind": kind}}}))
        assert told.config == silent.config
        assert len(told.origins) > 20
