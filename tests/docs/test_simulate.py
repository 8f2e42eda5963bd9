"""docs/SIMULATE.md and README's section on it: every command runs, and every name is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.cli.loads import FILE_KEYS, Defaults, load_of
from prefork.cli.main import run
from prefork.simulation import frontier, length_of, traffic_of
from prefork.simulation.figures import FIGURES
from prefork.simulation.words import LENGTHS, TRAFFICS
from tests.docs.markdown import DOCS, ROOT, named

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = DOCS / "SIMULATE.md"
TEXT = GUIDE.read_text()
COMMAND = re.compile(r"^    (prefork (?:simulate|tune) .+)$", re.MULTILINE)
COMMANDS = [*COMMAND.findall(TEXT), *COMMAND.findall((ROOT / "README.md").read_text())]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with the files of README and guide; one core, and a search of a few settings."""
    files = {**named(ROOT / "README.md"), **named(GUIDE)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "new.toml").write_text(files["prefork.toml"])
    for name in [name for name in os.environ if name.startswith("PREFORK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    monkeypatch.setattr(frontier, "HEADROOMS", (2.0,))
    monkeypatch.setattr(frontier, "HOLDS", (20, 60))
    monkeypatch.setattr("prefork.cli.search.ROUNDS", 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(below: str) -> list[str]:
    """The first cell of each line of the table under `below`, without its code marks."""
    table = TEXT.split(below, 1)[1].split("|---|---|\n", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip().replace("`", "") for line in table.splitlines()]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_does_what_it_says(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shlex.split(command)[1:]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "<- suggested" in told.out if " tune " in command else "p99_wait" in told.out


def test_there_are_commands() -> None:
    assert len(COMMANDS) == 6


def test_every_kind_of_load_and_length_is_there_and_can_be_played() -> None:
    words = rows("## Loads")
    assert [word.partition(":")[0] for word in words] == list(TRAFFICS)
    assert all(traffic_of(word) for word in words)
    lengths = re.findall(r"`((?:" + "|".join(LENGTHS) + r"):[^`]+)`", TEXT)
    assert {word.partition(":")[0] for word in lengths} == LENGTHS.keys()
    assert all(length_of(word) for word in lengths)


def test_every_key_of_a_file_is_there() -> None:
    keys = {key.strip() for cell in rows("## Your own load") for key in cell.split(",")}
    assert keys == set(FILE_KEYS)


def test_its_files_are_read_as_it_says(folder: Path) -> None:
    counts, sessions = (load_of([str(folder / name)], Defaults()) for name in ("requests.csv", "sessions.csv"))
    assert "2,260 arrivals in 5 intervals of 1m" in counts.told[0]
    assert "4 sessions in 1.9s" in sessions.told[0]


def test_every_figure_is_there_with_its_meaning() -> None:
    assert all(f"| `{figure.name}` | {figure.about} |" in TEXT for figure in FIGURES)
    assert rows("## What is told") == [figure.name for figure in FIGURES]


def test_its_own_test_passes(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_policy.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
