"""Simulations on several cores: the same figures, one bar, and nobody left behind however they end."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork.testing.contract.waiting import until
from tests.live import gone_after, watch_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SHORT = ("--traffic", "poisson:rate=20,lasts=20s", "--seeds", "4")
ENDLESS = ("--traffic", "poisson:rate=2000,lasts=100h", "--seeds", "4", "--cores", "2")
COMMANDS = {"simulate": ("simulate", *ENDLESS), "tune": ("tune", *ENDLESS)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prefork.toml").write_text("[pool]\nmax_sessions = 1\nmax_workers = 400\n")
    return tmp_path


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """Where the tests run in the background of a shell, Ctrl-C is ignored, and what they start would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def command(*argv: str) -> list[str]:
    return [sys.executable, "-m", "prefork", *argv]


def environ() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PREFORK_")}
    return kept | {"PYTHONPATH": str(ROOT)}


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*argv), cwd=folder, env=environ(), capture_output=True, text=True, timeout=50, check=False
    )


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def computing(folder: Path, *argv: str) -> Iterator[tuple[subprocess.Popen[str], dict[int, int]]]:
    """The command while two processes compute for it, and a pidfd of each of these."""
    with subprocess.Popen(
        command(*argv), cwd=folder, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until(lambda: len(children(process.pid)) == 2)
            yield process, watch_ends(children(process.pid))
        finally:
            process.kill()


def test_two_cores_find_what_one_finds(folder: Path) -> None:
    one, two = (run(folder, "simulate", *SHORT, "--peer", "apache", "--json", "--cores", cores) for cores in "12")
    assert (one.returncode, one.stderr) == (two.returncode, two.stderr) == (0, "")
    assert one.stdout == two.stdout


def test_an_error_in_a_child_is_one_line(folder: Path) -> None:
    done = run(folder, "simulate", *SHORT, "--cores", "2", "--expect", "settles_within < 1h")
    message = "prefork: prefork.toml: settles_within(3600.0): the run ends before: lengthen the traffic's `lasts`\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


@pytest.mark.parametrize("argv", COMMANDS.values(), ids=COMMANDS)
def test_ctrl_c_ends_all_of_it(folder: Path, argv: tuple[str, ...]) -> None:
    with computing(folder, *argv) as (process, others):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (130, "", "")
        gone_after(others, 0)


def test_ctrl_c_in_a_terminal_reaches_all_and_is_heard_once(folder: Path) -> None:
    with computing(folder, *COMMANDS["simulate"]) as (process, others):
        for pid in others:
            os.kill(pid, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (130, "", "")
        gone_after(others, 0)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_computes_for_a_process_that_is_gone(folder: Path, signum: signal.Signals) -> None:
    with computing(folder, *COMMANDS["simulate"]) as (process, others):
        process.send_signal(signum)
        assert process.wait(timeout=20) == -signum
        gone_after(others, 10)


def test_a_process_that_is_killed_is_one_line_and_ends_the_others(folder: Path) -> None:
    with computing(folder, *COMMANDS["simulate"]) as (process, others):
        os.kill(min(others), signal.SIGKILL)
        out, err = process.communicate(timeout=20)
        message = "prefork: a process that computed a run ended by signal 9: is there too little memory?\n"
        assert (process.returncode, out, err) == (1, "", message)
        gone_after(others, 0)


def seen_on(terminal: int) -> str:
    """What is written to a terminal until its last writer is gone."""
    seen = b""
    while True:
        try:
            seen += os.read(terminal, 65_536)
        except OSError:  # EIO: nobody has it open any more
            return seen.decode()


def test_a_terminal_gets_a_bar_on_stderr(folder: Path) -> None:
    ours, theirs = pty.openpty()
    line = command("simulate", *SHORT, "--cores", "1")
    surroundings = environ() | {"TERM": "xterm"}
    with subprocess.Popen(line, cwd=folder, env=surroundings, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = seen_on(ours)
        out, _ = process.communicate(timeout=20)
    os.close(ours)
    assert process.returncode == 0
    assert re.search(r"simulating, 4 runs .*100%", seen)
    assert b"simulating" not in out
