"""The examples of streams, protocols and ASGI apps in STYLES and README, served by the command that is told there."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from prefork.layers import Sources, load
from tests.docs.markdown import DOCS, ROOT, named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STYLES, README = DOCS / "STYLES.md", ROOT / "README.md"


@contextmanager
def served(folder: Path, command: str) -> Iterator[int]:
    """The port of what a command in the folder serves; it is stopped in good order."""
    words = [*shlex.split(command)[1:], "--control", "false"]
    with running_command([sys.executable, "-m", "prefork", *words], folder) as port:
        yield port


@contextmanager
def running_command(command: list[str], folder: Path) -> Iterator[int]:
    """The same of any command."""
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as master:
        try:
            assert master.stderr is not None
            port = next(
                found[1] for line in master.stderr if (found := re.search(r"listening on tcp://.*:(\d+)", line))
            )
            yield int(port)
            master.send_signal(signal.SIGTERM)
            assert master.wait(timeout=20) == 0
        finally:
            master.kill()


def write(folder: Path, document: Path) -> None:
    for name, text in named(document).items():
        (folder / name).write_text(text)


def say(port: int, words: bytes, end: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(words)
        heard = b""
        until = time.monotonic() + 10
        while not heard.endswith(end) and time.monotonic() < until:
            heard += sock.recv(65536)
        return heard


@pytest.mark.parametrize("loop", ["asyncio", "threads"])
def test_the_stream_handler(tmp_path: Path, loop: str) -> None:
    write(tmp_path, STYLES)
    (command,) = re.findall(r"`(prefork serve mirror\.py:mirror [^`]+)`", STYLES.read_text())
    command = command.replace("asyncio", loop) + " --listen tcp://127.0.0.1:0"
    with served(tmp_path, command) as port:
        assert say(port, b"abc\n12\n", b"21\n") == b"cba\n21\n"


def test_the_protocol(tmp_path: Path) -> None:
    write(tmp_path, STYLES)
    with served(tmp_path, "prefork serve upper.py:Upper --backend asyncio --listen tcp://127.0.0.1:0") as port:
        assert say(port, b"abc\nx\n", b"X\n") == b"ABC\nX\n"


def test_the_asgi_app_and_its_settings(tmp_path: Path) -> None:
    write(tmp_path, STYLES)
    loaded = load(Sources(str(tmp_path)))
    assert loaded.config.backends["asyncio"]["uvicorn"]["ws_max_size"] == 65536
    with served(tmp_path, "prefork serve --listen tcp://127.0.0.1:0") as port:
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "hello\n"


def test_the_two_of_the_readme(tmp_path: Path) -> None:
    write(tmp_path, README)
    (tmp_path / "prefork.toml").unlink()
    streams, fastapi = (
        re.sub(r":\d+$", ":0", found)
        for found in re.findall(r"^    (prefork serve (?:hello|main).*)$", README.read_text(), re.MULTILINE)
    )
    with served(tmp_path, streams) as port:
        assert say(port, b"you\n", b"\n") == b"hello you\n"
    with served(tmp_path, fastapi) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/").json() == "hello"


@pytest.mark.parametrize("loop", ["selectors", "asyncio", "threads"])
def test_the_handler_of_sockets(tmp_path: Path, loop: str) -> None:
    write(tmp_path, STYLES)
    (tmp_path / "prefork.toml").unlink()
    (command,) = re.findall(r"`(prefork serve reversed\.py:handle [^`]+)`", STYLES.read_text())
    command = command.replace("threads", loop) + " --listen tcp://127.0.0.1:0"
    with served(tmp_path, command) as port:
        assert say(port, b"abc\n12\n", b"21\n") == b"cba\n21\n"


@pytest.mark.parametrize(
    ("document", "script", "said", "heard"),
    [(STYLES, "counted.py", b"", b"hello 127.0.0.1\n"), (README, "capitals.py", b"abc\n", b"ABC\n")],
)
def test_the_programs_on_socketserver(tmp_path: Path, document: Path, script: str, said: bytes, heard: bytes) -> None:
    write(tmp_path, document)
    with running_command([sys.executable, script], tmp_path) as port:
        assert say(port, said, b"\n") == heard


@pytest.mark.parametrize("loop", ["asyncio", "threads"])
def test_the_wsgi_app(tmp_path: Path, loop: str) -> None:
    write(tmp_path, STYLES)
    (tmp_path / "prefork.toml").unlink()
    (command,) = re.findall(r"`(prefork serve plain\.py:app [^`]+)`", STYLES.read_text())
    with served(tmp_path, command.replace("threads", loop) + " --listen tcp://127.0.0.1:0") as port:
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "hello\n"


def test_the_flask_app_of_the_readme(tmp_path: Path) -> None:
    write(tmp_path, README)
    (tmp_path / "prefork.toml").unlink()
    (command,) = re.findall(r"^    (prefork serve pages.*)$", README.read_text(), re.MULTILINE)
    with served(tmp_path, re.sub(r":\d+$", ":0", command)) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "hello"
