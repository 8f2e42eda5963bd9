"""A reload while its judge is held up: a config that is a FIFO, which nobody writes to. The pool goes on meanwhile."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefork.client import Connection, wait_for_end
from prefork.master.family import children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = """\
app = "tests.apps.lines:Echo"
listen = "tcp://127.0.0.1:0"
control = "ctl"
[pool]
min_workers = {}
"""
AT_ONCE_S = 2.0
"""Far under the 30 s that a judge has, and far over what a machine with nothing to spare takes to answer."""


class Served:
    """A pool that an operator started in one folder, whose config can be held up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "prefork.toml"
        self.file.write_text(CONFIG.format(2))
        self._env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        with (folder / "log").open("wb") as log:
            self.master = self._run("serve", stderr=log)
        self.until(lambda: (folder / "ctl").is_socket() and len(self.serving()) == 2)

    def _run(self, *argv: str, **streams: Any) -> subprocess.Popen[str]:
        argv = (sys.executable, "-m", "prefork", *argv)
        return subprocess.Popen(argv, cwd=self.folder, env=self._env, text=True, **streams)

    def typed(self, *argv: str) -> subprocess.Popen[str]:
        """A command, under way."""
        return self._run(*argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self, command: str) -> dict[str, Any]:
        """The answer, which has to come at once."""
        with Connection(self.folder / "ctl", AT_ONCE_S) as connection:
            return connection.ask(command)

    def serving(self) -> dict[int, int]:
        """Worker -> pid."""
        return {row["id"]: row["pid"] for row in self.ask("status")["workers"] if row["phase"] == "serving"}

    def judges(self) -> list[int]:
        """The pids of the master's children that read a config."""
        return [pid for pid in children(self.master.pid) if b"prefork.master.judge" in _command(pid)]

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def hold_up(self) -> None:
        """From now on nobody can read the config."""
        self.file.unlink()
        os.mkfifo(self.file)

    def mend(self, text: str) -> None:
        """From now on the config says this."""
        self.file.unlink()
        self.file.write_text(text)

    def until(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end, self.log()
            assert self.master.poll() is None, self.log()
            select.select([], [], [], 0.02)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    pool = Served(tmp_path)
    yield pool
    pool.master.kill()
    pool.master.wait()


def test_the_pool_is_kept_and_answers_while_a_config_cannot_be_read(served: Served) -> None:
    served.hold_up()
    with served.typed("reload", "--control", "ctl") as asker:
        served.until(served.judges)
        before = served.serving()
        os.kill(before[1], signal.SIGKILL)
        served.until(lambda: set(served.serving()) == {2, 3})
        assert len(served.judges()) == 1
        assert asker.poll() is None
        [judge] = served.judges()
        os.kill(judge, signal.SIGKILL)  # one that ended unasked
        out, said = asker.communicate(timeout=20)
    assert (asker.returncode, out) == (2, "")
    assert said == "prefork: what reads the config has ended (SIGKILL): what it said is in the log\n"
    assert (served.ask("status")["master"]["generation"], served.ask("status")["master"]["strangers_reaped"]) == (1, 0)


def test_a_reload_that_was_ordered_meanwhile_is_read_afterwards(served: Served) -> None:
    served.hold_up()
    with served.typed("reload", "--control", "ctl") as first:
        served.until(served.judges)
        with served.typed("reload", "--control", "ctl") as second:
            served.until(lambda: json.dumps(served.ask("policy")["notes"]).count('"reload"') == 2)
            fifo = os.open(served.file, os.O_WRONLY)  # the judge's open returns
            served.mend(CONFIG.format(3))
            os.write(fifo, b"app = 7\n")
            os.close(fifo)
            assert "app: 7" in first.communicate(timeout=20)[1]
            out, said = second.communicate(timeout=20)
    assert (first.returncode, second.returncode, said) == (2, 0, "")
    assert out.startswith("reload: generation 2 has imported the app")
    served.until(lambda: len(served.serving()) == 3)
    assert served.judges() == []


def test_a_stop_waits_for_no_judge_and_leaves_none(served: Served) -> None:
    served.hold_up()
    with served.typed("reload", "--control", "ctl") as asker:
        served.until(served.judges)
        [judge] = served.judges()
        began = time.monotonic()
        with served.typed("stop", "--control", "ctl") as stop:
            assert stop.wait(20) == 0
        assert time.monotonic() - began < 10
        assert served.master.wait(5) == 0
        assert asker.communicate(timeout=20)[1] == "prefork: reload: the pool stops, and reads no config any more\n"
    assert _command(judge) == b""


def test_a_judge_ends_with_a_master_that_is_killed(served: Served) -> None:
    served.hold_up()
    served.master.send_signal(signal.SIGHUP)
    served.until(served.judges)
    [judge] = served.judges()
    pidfd = os.pidfd_open(judge)
    served.master.kill()
    assert wait_for_end(pidfd, 20)
