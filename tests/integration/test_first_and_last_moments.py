"""A signal in the first or last moment of a master: an orderly stop is exit code 0 whenever it was asked for."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TERM_BIT = 1 << (signal.SIGTERM - 1)


@pytest.fixture
def master(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "prefork", "serve", "tests.apps.lines:Echo", "--listen", "unix:sock"]
    command += ["--control", "ctl"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait()


def wait_for_text(path: Path, text: str) -> None:
    until = time.monotonic() + 20
    while text not in path.read_text():
        assert time.monotonic() < until, path.read_text()
        select.select([], [], [], 0.002)


def holds_signals(pid: int) -> bool:
    """Our own first line has run: Python itself, before that, can't be helped."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    blocked = next(line.split()[1] for line in lines if line.startswith("SigBlk"))
    return bool(int(blocked, 16) & TERM_BIT)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_in_the_first_moment_is_an_orderly_one(
    master: subprocess.Popen[bytes], tmp_path: Path, signum: int
) -> None:
    until = time.monotonic() + 20
    while not holds_signals(master.pid):
        assert time.monotonic() < until
    master.send_signal(signum)
    assert master.wait(20) == 0, (tmp_path / "log").read_text()
    assert not (tmp_path / "sock").exists()
    assert not (tmp_path / "ctl").exists()


@pytest.mark.parametrize("seen", ["listening on", "spawn worker 1"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_until_the_last_moment_change_no_exit_code(
    master: subprocess.Popen[bytes], tmp_path: Path, signum: int, seen: str
) -> None:
    wait_for_text(tmp_path / "log", seen)
    master.send_signal(signal.SIGTERM)
    until = time.monotonic() + 20
    while master.poll() is None:
        assert time.monotonic() < until
        master.send_signal(signum)
    assert master.returncode == 0, (tmp_path / "log").read_text()
