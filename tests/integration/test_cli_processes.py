"""The command line as a process: exit codes, one line on stderr, no traceback, and what is imported for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "echo.py").write_text(
        "from prefork import Lines, Session\nclass Echo(Session[str]):\n    framer = Lines\n"
    )
    return tmp_path


def _prefork(folder: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PREFORK_")}
    return subprocess.run(
        [sys.executable, "-m", "prefork", *argv],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder)} | environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


MISTAKES = {
    "an unknown flag": (["check", "echo.py:Echo", "--max-worker", "3"], {}, 2),
    "a bad value of a variable": (["check", "echo.py:Echo"], {"PREFORK_POOL_MAX_WORKERS": "many"}, 2),
    "an unknown variable": (["check", "echo.py:Echo"], {"PREFORK_POOL_MAX_WORKER": "3"}, 2),
    "an app that isn't there": (["serve", "no.py:Echo"], {}, 2),
    "a config file that isn't there": (["serve", "-c", "no.toml"], {}, 2),
    "a config file cut short": (["check", "-c", "short.toml"], {}, 2),
    "an unknown backend": (["serve", "echo.py:Echo", "--backend", "gevnt"], {}, 2),
    "no instance": (["status"], {}, 1),
    "nothing to stop": (["stop", "--control", "no.ctl"], {}, 1),
}


@pytest.mark.parametrize(("argv", "environ", "code"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_an_exit_code_and_no_traceback(
    folder: Path, argv: list[str], environ: dict[str, str], code: int
) -> None:
    (folder / "short.toml").write_text('app = "echo.py:Ec')
    done = _prefork(folder, *argv, **environ)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("prefork: ")
    assert done.stderr.count("\n") == 1


def test_a_good_config_is_a_block_and_exit_code_0(folder: Path) -> None:
    done = _prefork(folder, "check", "echo.py:Echo", PREFORK_POOL_MAX_WORKERS="7")
    assert (done.returncode, done.stderr) == (0, "")
    assert any(
        line.split() == ["pool.max_workers", "7", "PREFORK_POOL_MAX_WORKERS"] for line in done.stdout.split("\n")
    )


def test_a_reader_that_leaves_is_no_traceback(folder: Path) -> None:
    command = f"{sys.executable} -m prefork schema | true; exit ${{PIPESTATUS[0]}}"
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode in {0, 141}  # 0: it had written all before `true` was gone


@pytest.mark.parametrize("rest", ["check echo.py:Echo", "schema", "--help"])
@pytest.mark.parametrize(
    ("into", "expected"), [(">/dev/full", (1, "prefork: stdout: No space left on device\n")), (">&$gone", (141, ""))]
)
def test_an_output_that_cannot_be_written_is_no_traceback(
    folder: Path, rest: str, into: str, expected: tuple[int, str]
) -> None:
    gone = "exec {gone}> >(true); wait $!; "
    command = f"{gone}{sys.executable} -m prefork {rest} {into}"
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == expected


LEAN = {
    "check needs no rich": (["check", "echo.py:Echo"], {"rich.console", "rich.table"}),
    "status as such needs no pydantic": (["status"], {"rich.console", "pydantic", "pluggy"}),
}


@pytest.mark.parametrize(("argv", "unwanted"), LEAN.values(), ids=LEAN)
def test_a_command_imports_what_it_needs(folder: Path, argv: list[str], unwanted: set[str]) -> None:
    code = (
        "import sys; from prefork.cli.main import run; "
        f"run({argv!r}); sys.stderr.write(','.join({unwanted!r} & sys.modules.keys()))"
    )
    environ = os.environ | {"XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stderr.rpartition("\n")[2] == ""
