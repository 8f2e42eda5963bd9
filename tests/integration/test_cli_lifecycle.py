"""serve, status and stop as an operator types them, against a real pool."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = """\
app = "examples/echo.py:Echo"
listen = ["tcp://127.0.0.1:0"]
control = "echo.ctl"
[pool]
max_workers = 4
"""


class Operator:
    """Somebody at a shell in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PREFORK_")}
        self.environ = kept | {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder)}

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "prefork", *argv]
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=log, stderr=log)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "prefork", *argv]
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=30, check=False
        )

    def wait_for_status(self, *argv: str) -> dict[str, list[dict[str, object]]]:
        """The first status with a serving worker."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            done = self.run("status", "--json", *argv)
            status: dict[str, list[dict[str, object]]] = json.loads(done.stdout) if done.returncode == 0 else {}
            if any(worker["phase"] == "serving" for worker in status.get("workers", ())):
                return status
        raise AssertionError((self.folder / "log").read_text())


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    (tmp_path / "conf" / "examples").mkdir(parents=True)
    (tmp_path / "conf" / "prefork.toml").write_text(CONFIG)
    (tmp_path / "conf" / "examples" / "echo.py").write_text((ROOT / "examples" / "echo.py").read_text())
    return Operator(tmp_path)


def test_a_pool_is_served_looked_at_and_stopped(operator: Operator) -> None:
    pool = operator.start("serve", "-c", "conf/prefork.toml", "--max-workers", "3")
    try:
        status = operator.wait_for_status("-c", "conf/prefork.toml")
        master: dict[str, object] = dict(status["master"])  # type: ignore[arg-type]
        assert (master["pid"], master["max_workers"]) == (pool.pid, 3)
        assert master["config_file"] == str(operator.folder / "conf" / "prefork.toml")
        host, port = str(status["listeners"][0]["url"]).removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as client, client.makefile("rb") as file:
            assert file.readline() == b"welcome\n"
        shown = operator.run("status", "--control", "conf/echo.ctl")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert f"pid {pool.pid}, serving" in shown.stdout
        stopped = operator.run("stop", "-c", "conf/prefork.toml", "--timeout", "20s")
        assert (stopped.returncode, stopped.stderr) == (0, "")
        assert pool.wait(5) == 0
        assert operator.run("status", "-c", "conf/prefork.toml").returncode == 1
    finally:
        pool.kill()
        pool.wait()


WRONG = {
    "max_workers = 0": "conf/prefork.toml: pool.max_workers: 0 is under the least, 1",
    "max_worker = 3": "conf/prefork.toml: pool.max_worker: unknown key; did you mean pool.max_workers?",
    f"max_workers = {'9' * 5000}": "conf/prefork.toml: it can't be read: Exceeds the limit (4300 digits)",
}


def test_a_reload_reads_the_file_again_and_takes_all_of_it_or_nothing(operator: Operator) -> None:
    pool = operator.start("serve", "-c", "conf/prefork.toml")
    file = operator.folder / "conf" / "prefork.toml"
    try:
        operator.wait_for_status("-c", "conf/prefork.toml")
        for wrong, told in WRONG.items():
            file.write_text(CONFIG.replace("max_workers = 4", wrong))
            done = operator.run("reload", "--control", "conf/echo.ctl")
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(f"prefork: {told}")
            assert done.stderr.count("\n") == 1
        file.write_text(CONFIG.replace("max_workers = 4", "max_workers = 6"))
        assert operator.run("reload", "--control", "conf/echo.ctl").returncode == 0
        status = operator.wait_for_status("-c", "conf/prefork.toml")
        master: dict[str, object] = dict(status["master"])  # type: ignore[arg-type]
        assert (master["pid"], master["generation"], master["max_workers"]) == (pool.pid, 2, 6)
        assert "pydantic" not in Path(f"/proc/{pool.pid}/maps").read_text()
        assert operator.run("stop", "-c", "conf/prefork.toml", "--timeout", "20s").returncode == 0
        assert pool.wait(5) == 0
    finally:
        pool.kill()
        pool.wait()
