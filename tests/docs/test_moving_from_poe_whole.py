"""The guide's script after the move, whole: it holds the dialogue that tally.pl holds, and obeys what it obeys."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig, StaticSizing
from prefork.policy.model import Owner
from prefork.testing import running
from tests.docs.markdown import DOCS, named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prefork.testing import LivePool

GUIDE = DOCS / "MOVING-FROM-POE.md"
BANNED = "127.0.0.2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with the guide's files in it."""
    for name in ("tally.py", "test_tally.py", "prefork.toml"):
        (tmp_path / name).write_text(named(GUIDE)[name])
    (tmp_path / "tally.banned").write_text(f"192.0.2.7\n{BANNED}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pool(folder: Path) -> Iterator[LivePool]:
    """One worker, in the guide's folder."""
    assert folder.is_dir()
    with running("tally.py:app", pool=PoolConfig(sizing=StaticSizing(workers=1))) as pool:
        yield pool


class Client:
    """Speaks in lines with CR LF, as the clients of tally.pl do."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._heard = sock.makefile("rb")

    def say(self, line: str) -> None:
        self._socket.sendall(f"{line}\r\n".encode())

    def hear(self) -> str:
        """The next line; empty at the end of the stream."""
        line = self._heard.readline()
        assert line.endswith(b"\r\n") or not line
        return line.decode().strip()

    def ask(self, line: str) -> str:
        self.say(line)
        return self.hear()


@contextmanager
def connected(pool: LivePool, source: str = "127.0.0.1") -> Iterator[Client]:
    with socket.create_connection(pool.address, timeout=10, source_address=(source, 0)) as sock:
        yield Client(sock)


def test_it_holds_the_dialogue_of_the_perl_script(pool: LivePool, folder: Path) -> None:
    with connected(pool) as client:
        assert client.hear() == "welcome to tally"
        assert client.ask("add 3") == "total 3"
        assert client.ask("add 4") == "total 7"
        assert client.ask("nonsense") == "what is 'nonsense'?"
        assert client.ask("save ada") == "saved 7"
        assert (client.ask("log"), client.hear()) == ("added 3", "added 4")
        assert client.ask("every 0.01") == client.hear() == "tick: total 7"
        client.say("quit")
        while client.hear():
            pass
    assert (folder / "tally.book").read_text() == "ada 7\n"
    assert pool.stop() == 0
    assert "left with total 7: goodbye" in pool.log


def test_a_banned_peer_has_no_session(pool: LivePool) -> None:
    with connected(pool, source=BANNED) as client:
        assert client.hear() == ""
    with connected(pool) as client:
        assert client.hear() == "welcome to tally"
    assert pool.stop() == 0
    assert BANNED not in pool.log


def test_pause_and_resume_are_the_apps(pool: LivePool) -> None:
    with connected(pool) as client:
        assert client.hear() == "welcome to tally"
        client.say("pause")
        pool.wait_for(lambda view: view.workers[0].paused_by == {Owner.APP})
        assert client.ask("add 1") == "total 1"
        client.say("resume")
        pool.wait_for(lambda view: not view.workers[0].paused_by)


def test_leave_ends_the_worker_and_another_takes_its_place(pool: LivePool) -> None:
    with connected(pool) as client:
        assert client.hear() == "welcome to tally"
        client.say("leave")
        assert client.hear() == ""
        pool.wait_for(lambda view: [worker.id for worker in view.workers] == [2])


def test_stop_ends_the_pool(pool: LivePool) -> None:
    with connected(pool) as client:
        assert client.hear() == "welcome to tally"
        client.say("stop")
        assert client.hear() == ""
        assert pool.wait() == 0


def test_the_guides_own_test_passes(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_tally.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
