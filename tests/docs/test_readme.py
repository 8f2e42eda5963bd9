"""README's examples, copied into a folder and used as it says."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.layers import Sources, load
from prefork.testing import running
from tests.client import Client
from tests.docs.markdown import ROOT, named

if TYPE_CHECKING:
    from pathlib import Path

README = ROOT / "README.md"
COMMANDS = re.findall(r"prefork serve [^\n`]+", README.read_text())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with README's files in it."""
    for name, text in named(README).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "mysite").mkdir()  # the reader's own Django project
    (tmp_path / "mysite" / "wsgi.py").write_text("def application(environ, start_response): ...\n")
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_session_serves_and_its_test_passes(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_echo.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_config_file_says_what_its_comments_say(folder: Path) -> None:
    loaded = load(Sources(str(folder)))
    assert loaded.config.app == f"{folder}/echo.py:Echo"
    assert loaded.config.control == folder / "echo.ctl"
    assert set(loaded.origins.values()) == {"prefork.toml"}


def test_the_script_serves_until_it_is_told_to_stop(folder: Path) -> None:
    command = [sys.executable, "serve_echo.py"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as master:
        try:
            assert master.stderr is not None
            port = next(
                found[1] for line in master.stderr if (found := re.search(r"listening on tcp://.*:(\d+)", line))
            )
            with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as sock, sock.makefile() as answer:
                assert answer.readline() == "welcome\n"
            master.send_signal(signal.SIGTERM)
            assert master.wait(timeout=10) == 0
        finally:
            master.kill()


@pytest.mark.parametrize("loop", ["selectors", "asyncio", "threads"])
def test_the_coroutine_serves_on_every_loop(folder: Path, loop: str) -> None:
    with running(f"{folder}/shout.py:app", backend=loop) as pool, Client(pool) as client:
        assert client.hear() == "who are you?"
        client.say("ann")
        assert client.ask("hello") == "ann: HELLO"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_that_serves_is_one_that_check_accepts(command: str) -> None:
    words = shlex.split(command)[2:]
    done = subprocess.run(
        [sys.executable, "-m", "prefork", "check", *words], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_there_are_examples() -> None:
    assert named(README).keys() == {
        *("echo.py", "prefork.toml", "requests.csv", "serve_echo.py", "test_echo.py"),
        *("hello.py", "main.py", "shout.py", "pages.py", "capitals.py"),
    }
    assert len(COMMANDS) == 6
