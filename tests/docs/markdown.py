"""The code in our documents, as their readers would copy it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block; `name` is the second word of its first line, such as `echo.py`."""

    language: str
    name: str | None
    text: str


def blocks(document: Path) -> list[Block]:
    """Every fenced block, in order."""
    return [Block(*found.group("language", "name", "text")) for found in _FENCE.finditer(document.read_text())]


def named(document: Path) -> dict[str, str]:
    """The text of each block that has a name."""
    return {each.name: each.text for each in blocks(document) if each.name is not None}
