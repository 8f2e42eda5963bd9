"""A current directory of its own, a place for control sockets of its own, and masters that only answer."""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from prefork.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Answer = bytes | dict[str, Any] | None
"""Bytes as they are, a status result, or silence."""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with an app in it."""
    for name in [name for name in os.environ if name.startswith("PREFORK_")]:
        monkeypatch.delenv(name)
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo.py").write_text(
        "from prefork import Lines, Session\nclass Echo(Session[str]):\n    framer = Lines\n"
    )
    return tmp_path


@pytest.fixture
def prefork(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command line in this process."""

    def call(*argv: str) -> Outcome:
        assert folder.is_dir()
        code = run(argv)
        return Outcome(code, *capsys.readouterr())

    return call


class Masters:
    """Control sockets with somebody behind them who has one answer to everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[dict[str, Any]] = []
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def start(self, path: Path, answer: Answer) -> Path:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(os.fspath(path))
        sock.listen(8)
        raw = answer
        if isinstance(answer, dict):
            raw = json.dumps({"ok": True, "exit_code": 0, "result": answer}).encode() + b"\n"
        thread = threading.Thread(target=self._serve, args=(sock, raw))
        self._open.append(sock)
        self._threads.append(thread)
        thread.start()
        return path

    def default(self, pid: int, **master: Any) -> Path:
        master = {"pid": pid, "name": "prefork", "config_file": None} | master
        return self.start(self.folder / "run" / "prefork" / f"{pid}.ctl", {"master": master})

    def stale(self, pid: int) -> None:
        path = self.folder / "run" / "prefork" / f"{pid}.ctl"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.bind(os.fspath(path))

    def stop(self) -> None:
        for sock in self._open:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()

    def _serve(self, sock: socket.socket, answer: bytes | None) -> None:
        while True:
            try:
                connection, _ = sock.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                line = file.readline()
                if line:
                    self.asked.append(json.loads(line))
                if line and answer is not None:
                    connection.sendall(answer)
                elif line:
                    file.readline()  # silence, until the client gives up


@pytest.fixture
def masters(folder: Path) -> Iterator[Masters]:
    masters = Masters(folder)
    yield masters
    masters.stop()
