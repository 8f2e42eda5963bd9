"""docs/WHY.md: its configs load, its commands and flags are there, and what it says of a journal's lines is so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from prefork.cli.main import run
from prefork.layers import Sources, load
from tests.docs.markdown import DOCS, blocks

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = DOCS / "WHY.md"


@pytest.mark.parametrize("text", [each.text for each in blocks(GUIDE) if each.language == "toml"])
def test_a_config_of_it_is_one(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefork.toml").write_text(text)
    config = load(Sources.here(flags={"app": "x:y"}, spelled={"app": "APP"})).config
    assert config.journal.path is not None or config.shadow == tmp_path / "candidate.toml"


def test_its_commands_have_their_flags(capsys: pytest.CaptureFixture[str]) -> None:
    said = re.findall(r"prefork (why|replay|journal export) ([^`\n]*)", GUIDE.read_text())
    assert {command for command, _ in said} == {"why", "replay", "journal export"}
    for command, rest in said:
        run([*command.split(), "--help"])
        known = capsys.readouterr().out
        assert {flag for flag in re.findall(r"--[a-z-]+", rest) if flag not in known} == set()


def test_a_journal_of_one_line_of_python() -> None:
    (code,) = (each.text for each in blocks(GUIDE) if each.language == "python")
    names: dict[str, object] = {}
    exec(code.splitlines()[0], names)
    assert {"read", "replay"} <= names.keys()
