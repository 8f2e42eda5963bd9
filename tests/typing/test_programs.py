"""Small programs through mypy --strict and pyright: the lines marked `# error` must err in both, and no others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]


def marked(program: Path) -> set[int]:
    return {at for at, line in enumerate(program.read_text().splitlines(), 1) if line.rstrip().endswith("# error")}


def every_mark() -> dict[str, set[int]]:
    return {program.name: marked(program) for program in sorted(PROGRAMS.glob("*.py"))}


def found(pairs: list[tuple[str, int]]) -> dict[str, set[int]]:
    lines: dict[str, set[int]] = {name: set() for name in every_mark()}
    for file, line in pairs:
        if Path(file).name in lines:
            lines[Path(file).name].add(line)
    return lines


def test_mypy_errs_at_the_marked_lines_and_no_others() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary"]
    done = subprocess.run(
        [*command, *map(str, PROGRAMS.glob("*.py"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    errors = re.findall(r"^(.+?):(\d+): error:", done.stdout, re.MULTILINE)
    assert found([(file, int(line)) for file, line in errors]) == every_mark(), done.stdout + done.stderr


@pytest.mark.needs("node")
def test_pyright_errs_at_the_marked_lines_and_no_others() -> None:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*command, str(PROGRAMS)], cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)["generalDiagnostics"]
    errors = [(each["file"], each["range"]["start"]["line"] + 1) for each in report if each["severity"] == "error"]
    assert found(errors) == every_mark(), done.stdout


def test_there_are_marks_to_find() -> None:
    assert {name for name, lines in every_mark().items() if lines} == {"bad.py"}
