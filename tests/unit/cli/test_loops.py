"""`prefork backends` and `prefork check` ask each loop in a child of its own, whatever that does when it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.cli import loops
from tests.distributions import HOOK, install

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = """
from dataclasses import dataclass
@dataclass
class Options:
    speed: int = 1
"""


def prefork(site: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """A command line of its own process, with what `site` holds installed."""
    return subprocess.run(
        [sys.executable, "-m", "prefork", *argv],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_each_loop_is_listed_with_who_provides_it_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    install(tmp_path, "good-x1", "good", HOOK.replace("NAME", "good"))
    install(tmp_path, "faster-x1", "selectors", HOOK.replace("NAME", "selectors"))
    install(tmp_path, "raises-x1", "raises", "1 / 0")
    install(tmp_path, "dies-x1", "dies", "import os; os._exit(3)")
    install(tmp_path, "prints-x1", "prints", "print('hello')" + HOOK.replace("NAME", "prints"))
    install(tmp_path, "other-x1", "named", HOOK.replace("NAME", "unnamed"))
    done = prefork(tmp_path, "backends")
    assert (done.returncode, done.stderr) == (0, "")
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()}
    assert said["good"].startswith("good-x1  ")
    assert said["good"].endswith("native session: A loop that serves nobody.")
    assert said["prints"].endswith("native session: A loop that serves nobody.")
    assert said["selectors"].startswith("faster-x1, instead of prefork  native session: ")
    assert said["asyncio"].startswith("prefork  ")
    assert said["raises"].endswith("  can't be used: (raises_x1): ZeroDivisionError: division by zero")
    assert said["dies"].endswith("  can't be used: backend 'dies': loading it ended the process (3)")
    assert said["named"].endswith("  can't be used: (other_x1): it offers no backend of that name, but unnamed")


def test_one_that_hangs_is_told_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(loops, "PATIENCE_S", 0.5)
    install(tmp_path, "hangs-x2", "hangs", "import select; select.select([], [], [])")
    assert loops.ask({"hangs": None}) == {"hangs": loops.Answer(error="backend 'hangs': it is not loaded after 0.5 s")}


@pytest.mark.parametrize(
    ("table", "line"),
    [
        pytest.param("", "", id="none given"),
        pytest.param("speed = 2", "", id="good"),
        pytest.param("sped = 2", "[backends.mine] sped: no such option; did you mean 'speed'?", id="misspelt"),
        pytest.param("speed = 'x'", "[backends.mine] speed: expected int, not 'x'", id="another type"),
    ],
)
def test_check_asks_the_loop_about_its_options(tmp_path: Path, table: str, line: str) -> None:
    install(tmp_path, "mine-x3", "mine", OPTIONS + HOOK.replace("NAME", "mine").replace("None", "Options"))
    (tmp_path / "shop.py").write_text("from prefork import Lines, Session\nclass app(Session):\n    framer = Lines\n")
    (tmp_path / "prefork.toml").write_text(f"app = 'shop:app'\nbackend = 'mine'\n[backends.mine]\n{table}\n")
    done = prefork(tmp_path, "check")
    assert (done.returncode, done.stderr) == ((2, f"prefork: {line}\n") if line else (0, ""))


def test_check_refuses_a_loop_that_cannot_be_loaded(tmp_path: Path) -> None:
    install(tmp_path, "broken-x4", "broken", "1 / 0")
    done = prefork(tmp_path, "check", "shop:app", "--backend", "broken")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "prefork: backend 'broken' of broken-x4 (broken_x4): ZeroDivisionError: division by zero\n"
