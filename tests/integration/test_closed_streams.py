"""Started with standard streams closed: it serves, and no socket ever gets their numbers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from prefork.client import Connection, GoneError

ROOT = Path(__file__).parents[2]
CLOSED = {"stdout": ">&-", "stderr": "2>&-", "both": ">&- 2>&-", "all three": "<&- >&- 2>&-"}
COMMAND = ("-m", "prefork", "serve", "tests.apps.lines:Misbehaving", "--listen", "unix:sock", "--control", "ctl")
IN_A_PROGRAM = """
import prefork
if __name__ == "__main__":
    prefork.serve("tests.apps.lines:Misbehaving", listen="unix:sock", control="ctl")
"""


def with_closed(streams: str, folder: Path, *argv: str) -> subprocess.Popen[bytes]:
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, *argv]
    return subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)})


def status_of(control: Path) -> dict[str, Any]:
    """The first status in which everybody serves."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            with Connection(control) as connection:
                status = connection.ask("status")
        except GoneError:
            continue
        if status["workers"] and all(row["phase"] == "serving" for row in status["workers"]):
            return status
    raise AssertionError("nobody serves")


@pytest.mark.parametrize("streams", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("argv", [COMMAND, ("-c", IN_A_PROGRAM)], ids=["prefork serve", "prefork.serve"])
def test_a_pool_without_standard_streams_serves_and_gives_their_numbers_to_nobody(
    tmp_path: Path, streams: str, argv: tuple[str, ...]
) -> None:
    master = with_closed(streams, tmp_path, *argv)
    try:
        status = status_of(tmp_path / "ctl")
        pids = [master.pid, status["mold"][0]["pid"], *(row["pid"] for row in status["workers"])]
        ours = {os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)}
        for pid in pids:
            found = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)}
            assert found <= {"/dev/null", *ours}
        master.send_signal(signal.SIGTERM)
        assert master.wait(10) == 0
    finally:
        master.kill()
        master.wait()


@pytest.mark.parametrize("streams", CLOSED.values(), ids=CLOSED)
def test_every_other_command_works_without_them_too(tmp_path: Path, streams: str) -> None:
    assert with_closed(streams, tmp_path, "-m", "prefork", "schema").wait(20) == 0
    assert with_closed(streams, tmp_path, "-m", "prefork", "status", "--control", "nothing").wait(20) == 1


def test_on_a_full_disk_it_serves_on_and_counts_the_lines_that_a_worker_lost(tmp_path: Path) -> None:
    master = with_closed("2>/dev/full", tmp_path, *COMMAND, "--workers", "1")
    try:
        before = status_of(tmp_path / "ctl")
        assert before["workers"][0]["log_lines_dropped"] == 0
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(tmp_path / "sock"))
            sock.sendall(b"raise\n")
            assert sock.recv(10) == b""
        after = status_of(tmp_path / "ctl")
        assert after["workers"][0]["log_lines_dropped"] == 1
        assert after["master"]["log_lines_dropped"] == before["master"]["log_lines_dropped"] + 1
    finally:
        master.terminate()
        assert master.wait(10) == 0
