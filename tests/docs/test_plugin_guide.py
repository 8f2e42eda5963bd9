"""docs/PLUGINS.md: what it says to write is written, installed and run; what it says is printed is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "PLUGINS.md").read_text()
BLOCK = r"((?:    .*\n|\n)+)"


def block_after(line: str) -> str:
    """The indented block that follows a line of the guide."""
    found = re.search(re.escape(line) + r"\n\n" + BLOCK, GUIDE)
    assert found, line
    return dedent(found[1])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The guide's three files in a folder, installed as its pyproject.toml says."""
    project = tomllib.loads(block_after("`pyproject.toml`:"))["project"]
    (tmp_path / "prefork_poll.py").write_text(block_after("`prefork_poll.py`:"))
    (tmp_path / "test_poll.py").write_text(block_after("`test_poll.py`:"))
    info = tmp_path / f"prefork_poll-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["prefork.backends"]
    (info / "entry_points.txt").write_text(
        "[prefork.backends]\n" + "".join(f"{name} = {module}\n" for name, module in points.items())
    )
    return tmp_path


def run(site: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_the_plugin_of_the_guide_keeps_the_contract(site: Path) -> None:
    done = run(site, "pytest", "-q", "-p", "no:cacheprovider", "test_poll.py")
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"^(\d+) passed", done.stdout, re.MULTILINE)[0]) > 80


def test_options_and_a_test_of_its_own_are_as_the_guide_says(site: Path) -> None:
    own = block_after("take the fixture `start`:")
    (site / "test_poll.py").write_text(f"from prefork.testing.contract import BackendContract\n{own}")
    chosen = "select_serves or test_09 or test_23"
    done = run(site, "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, "test_poll.py")
    assert done.returncode == 0, done.stdout
    assert "9 passed" in done.stdout


def test_it_is_listed_as_the_guide_says(site: Path) -> None:
    (said,) = re.findall(r"prefork backends +# (.*)", GUIDE)
    (listed,) = [line for line in run(site, "prefork", "backends").stdout.splitlines() if line.startswith("poll ")]
    assert listed.split() == said.split()


ERRORS = block_after("distribution (`prefork check` says these):").splitlines()[:-1]
CAUSES = {
    "a module that is missing": (("import math", "import pol"), ""),
    "another contract": (("contract = CONTRACT", "contract = 0"), ""),
    "a misspelt option": (("", ""), "cal = 1"),
    "an option that is no choice": (("", ""), "call = 'epoll'"),
}


@pytest.mark.parametrize(("cause", "line"), [*zip(CAUSES.values(), ERRORS, strict=True)], ids=CAUSES)
def test_mistakes_are_told_as_the_guide_says(site: Path, cause: tuple[tuple[str, str], str], line: str) -> None:
    (old, new), table = cause
    module = site / "prefork_poll.py"
    module.write_text(module.read_text().replace(old, new) if old else module.read_text())
    (site / "prefork.toml").write_text(f"app = 'shop:app'\nbackend = 'poll'\n[backends.poll]\n{table}\n")
    assert run(site, "prefork", "check").stderr == f"prefork: {line}\n"


def test_every_clause_is_spoken_of() -> None:
    cells = re.findall(r"^\| ([\d, -]+) \|", GUIDE, re.MULTILINE)
    spans = [part.strip().partition("-") for cell in cells for part in cell.split(",")]
    named = [number for low, _, high in spans for number in range(int(low), int(high or low) + 1)]
    assert sorted(named) == list(range(1, 37))
