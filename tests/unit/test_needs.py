"""A test that needs what the machine lacks is never skipped in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs

ROOT = Path(__file__).parents[2]


def started(*command: str, path: Path, ci: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python where `path` is the only folder with programs."""
    environment = {**os.environ, "PATH": str(path), "CI": ci}
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def collected(path: Path, ci: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Of the three tests in this folder, pyright's needs node."""
    return started("-m", "pytest", "--collect-only", "-q", "tests/typing", *more, path=path, ci=ci)


def test_outside_ci_it_is_left_out_and_one_line_says_so(tmp_path: Path) -> None:
    done = collected(tmp_path, "")
    said = "left out: 1 of 3 tests, for want of node (apt-get install nodejs)"
    assert (done.returncode, done.stdout.count("left out"), said in done.stdout.splitlines()) == (0, 1, True)
    assert "pyright" not in done.stdout
    assert "mypy" in done.stdout


@pytest.mark.parametrize("ci", ["true", "1"])
def test_in_ci_nothing_runs(tmp_path: Path, ci: str) -> None:
    done = collected(tmp_path, ci)
    said = "ERROR: 1 of 3 tests can't run without node, and CI leaves out none: apt-get install nodejs"
    assert (done.returncode, said in done.stderr.splitlines()) == (pytest.ExitCode.USAGE_ERROR, True), done.stderr


def test_what_was_not_asked_for_is_not_missed(tmp_path: Path) -> None:
    done = collected(tmp_path, "true", "-k", "mypy")
    assert (done.returncode, "left out" in done.stdout) == (0, False)


def test_where_nothing_is_missing_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "node").touch(mode=0o755)
    done = collected(tmp_path, "true")
    assert (done.returncode, "left out" in done.stdout, "pyright" in done.stdout) == (0, False, True)


@pytest.mark.parametrize(
    ("missing", "cure"),
    [
        ({"redis-cli", "redis-benchmark", "socat"}, "apt-get install redis-tools socat"),
        ({"root"}, "run as root"),
        ({"root", "node"}, "apt-get install nodejs and run as root"),
    ],
)
def test_the_line_says_what_to_do(missing: set[str], cure: str) -> None:
    assert needs.cure(missing) == cure


def test_a_need_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"nobody knows how to get 'ncat': tests/needs.py knows curl, nc.openbsd, node"
    ):
        needs.is_missing("ncat")


def apt_get(folder: Path, *, status: int = 0) -> Path:
    """A stand-in that writes down its orders: what is really installed is the machine's affair."""
    program = folder / "apt-get"
    program.write_text(f'#!/bin/sh\necho "$4 $DEBIAN_FRONTEND $*" >> {folder}/orders\nexit {status}\n')
    program.chmod(0o755)
    return folder / "orders"


@pytest.mark.needs("root")
@pytest.mark.parametrize("status", [0, 100])
def test_root_installs_the_packages_that_are_missing_and_a_failure_is_pytest_s_to_judge(
    tmp_path: Path, status: int
) -> None:
    orders = apt_get(tmp_path, status=status)
    (tmp_path / "socat").touch(mode=0o755)
    done = started("tests/needs.py", path=tmp_path)
    assert done.returncode == 0, done.stderr
    update, install = orders.read_text().splitlines()
    assert update.startswith("update noninteractive")
    assert install.endswith(
        "install --yes --no-install-recommends curl netcat-openbsd nodejs openssl redis-tools strace wrk"
    )


@pytest.mark.needs("root")
def test_root_installs_nothing_where_nothing_is_missing(tmp_path: Path) -> None:
    orders = apt_get(tmp_path)
    for program in needs.PACKAGES:
        (tmp_path / program).touch(mode=0o755)
    done = started("tests/needs.py", path=tmp_path)
    assert (done.returncode, done.stdout, orders.exists()) == (0, "", False)


@pytest.mark.needs("root")
def test_without_apt_get_nothing_is_tried(tmp_path: Path) -> None:
    done = started("tests/needs.py", path=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
