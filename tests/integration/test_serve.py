"""prefork.serve: in the caller's own process, in its main thread, and tidy about it."""

from __future__ import annotations

import functools
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import prefork
from prefork import ConfigError, PoolConfig
from tests.apps.lines import Echo

ROOT = Path(__file__).parents[2]


def script(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "script.py"
    file.write_text(text)
    return subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
    )


def test_it_serves_returns_none_and_restores_the_signal_handlers(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        """
import os, signal, socket, threading
import prefork
from prefork import Lines, PoolConfig, Session

class Echo(Session[str]):
    framer = Lines
    def received(self, line, /):
        self.send(line)

def ask():
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
                sock.sendall(b"hello\\n")
                assert sock.recv(100) == b"hello\\n"
            break
        except ConnectionRefusedError:
            pass
    os.kill(os.getpid(), signal.SIGTERM)

if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)]
    threading.Thread(target=ask).start()
    assert prefork.serve(Echo, listen=f"tcp://127.0.0.1:{port}", pool=PoolConfig(min_workers=2), control=False) is None
    assert before == [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)]
    assert signal.set_wakeup_fd(-1) == -1
    print("served")
""",
    )
    assert (done.returncode, done.stdout) == (0, "served\n"), done.stderr


def test_outside_the_main_thread_it_refuses(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        """
import threading
import prefork
from prefork import Lines, Session

class Echo(Session[str]):
    framer = Lines

def run():
    try:
        prefork.serve(Echo, listen="tcp://127.0.0.1:0", control=False)
    except prefork.PreforkError as error:
        print(error)

if __name__ == "__main__":
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
""",
    )
    assert done.stdout == "serve: it must be called in the main thread, since only that one gets signals\n", done.stderr


def test_an_app_that_breaks_on_import_is_an_error_not_an_exit(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(prefork.AppError, match="ZeroDivisionError") as caught:
        prefork.serve(f"{tmp_path}/broken.py:App", listen="tcp://127.0.0.1:0", control=False)
    assert "broken.py" in caught.value.frames
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_bad_setting_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        prefork.serve(Echo, listen=":10000", control=False)
    assert "\n" not in str(caught.value)
    assert "tcp://127.0.0.1:10000" in str(caught.value)


def test_an_address_in_use_is_one_line(prefork_pool: object) -> None:
    assert callable(prefork_pool)
    pool = prefork_pool(Echo)
    with pytest.raises(ConfigError, match="the address is in use"):
        prefork.serve(Echo, listen=pool.urls[0], pool=PoolConfig(min_workers=1), control=False)


def test_a_file_at_the_place_of_a_unix_socket_is_one_line_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="there is a file that is no socket: remove it, or choose another path"):
        prefork.serve(Echo, listen=f"unix:{path}", control=False)
    assert path.read_text() == "mine"


def test_a_lambda_cannot_be_served() -> None:
    with pytest.raises(prefork.AppError, match="a lambda can't be imported by another process"):
        prefork.serve(lambda _: None, listen="tcp://127.0.0.1:0")


def test_a_partial_is_asked_for_its_style_and_an_app_of_it_for_a_name() -> None:
    bare = functools.partial(print, "a")
    with pytest.raises(
        prefork.AppError, match=r"^app: functools\.partial\(.+ doesn't tell its style by its form: say App"
    ):
        prefork.serve(bare, listen="tcp://127.0.0.1:0")
    with pytest.raises(prefork.AppError, match=r"^app App object: what is no global of any module can't be imported"):
        prefork.serve(prefork.App(bare, style="socket"), listen="tcp://127.0.0.1:0")


TOP = """
import functools, sys
import prefork

class Framework:
    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"hello"})

def handle(greeting, sock):
    sock.recv(100)
    sock.sendall(greeting)

framework = Framework()
app = prefork.App(functools.partial(handle, b"hello"), style="socket")

if __name__ == "__main__":
    prefork.serve(globals()[sys.argv[1]], listen="tcp://127.0.0.1:0", backend="asyncio", control=False)
"""


@pytest.mark.parametrize("name", ["framework", "app"])
def test_an_object_that_a_program_has_at_its_top_is_served(tmp_path: Path, name: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(TOP)
    command = [sys.executable, str(file), name]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        said = (re.search(r"listening on tcp://127.0.0.1:(\d+)", line) for line in process.stderr)
        try:
            found = next(filter(None, said), None)
            assert found is not None
            with socket.create_connection(("127.0.0.1", int(found[1])), timeout=20) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert b"hello" in client.makefile("rb").read()
        finally:
            process.terminate()
            _, log = process.communicate(timeout=20)
    assert process.returncode == 0, log


UNGUARDED = """
import pathlib, socketserver
import prefork
from prefork.socketserver import PreforkTCPServer

with pathlib.Path(__file__).with_name("imports").open("a") as imports:
    print(__name__, file=imports)

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        pass

"""


@pytest.mark.parametrize(
    "call",
    [
        "PreforkTCPServer(('127.0.0.1', 0), Handler, control=False).serve_forever()",
        "prefork.serve(Handler, listen='tcp://127.0.0.1:0', backend='threads', control=False)",
    ],
    ids=["socketserver", "serve"],
)
def test_a_program_that_serves_while_it_is_imported_ends_at_once_with_one_sentence(tmp_path: Path, call: str) -> None:
    done = script(tmp_path, UNGUARDED + call + "\n")
    assert (done.returncode, done.stdout) == (1, "")
    (told,) = (line for line in done.stderr.splitlines() if "serves while" in line)
    assert told == (
        f"prefork.errors.AppError: app '{tmp_path}/script.py:Handler': script.py serves while it is imported: put the "
        "call under `if __name__ == '__main__':`"
    )
    assert (tmp_path / "imports").read_text() == "__main__\nscript\n"
