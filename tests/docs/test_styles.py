"""docs/STYLES.md: its example is served, and its table is what the loops say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from prefork.app.styles import STYLES
from prefork.backends.registry import load_backend
from prefork.testing import running
from tests.client import Client
from tests.docs.markdown import DOCS, named

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = DOCS / "STYLES.md"
COLUMNS = ("selectors", "asyncio", "threads", "trio", "gevent")


def cells() -> dict[str, list[str]]:
    """The words of each row, by style."""
    rows = re.findall(r"^\| `(\w+)` \|.*?" + r"\| (\w+) " * len(COLUMNS) + r"\|$", GUIDE.read_text(), re.MULTILINE)
    return {style: said for style, *said in rows}


def test_every_style_has_a_row() -> None:
    assert tuple(cells()) == STYLES


@pytest.mark.parametrize("style", STYLES)
def test_the_table_says_what_the_loops_declare(style: str) -> None:
    for loop, said in zip(COLUMNS, cells()[style], strict=True):
        declared = {str(each): str(how) for each, how in load_backend(loop).styles.items()}
        assert declared.get(style, "no") == said


@pytest.mark.parametrize("loop", COLUMNS)
def test_the_coroutine_is_portable(tmp_path: Path, loop: str) -> None:
    (tmp_path / "quiz.py").write_text(named(GUIDE)["quiz.py"])
    with running(f"{tmp_path}/quiz.py:app", backend=loop) as pool, Client(pool) as client:
        assert client.hear() == "six times seven?"
        assert client.ask("41") == "no; once more"
        assert client.ask("42") == "right"
        assert client.hear() is None
