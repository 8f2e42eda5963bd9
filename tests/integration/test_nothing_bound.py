"""Nothing is bound before the app is there, and known to run on its loop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork import AppError, ConfigError
from prefork.testing import running
from prefork.testing.contract import until
from tests.apps.lines import Echo
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
STREAMS = "async def app(reader, writer):\n    pass\n"
WAITS = """\
from prefork import Lines, Session
with open("gate") as gate:
    gate.read()
class app(Session[str]):
    framer = Lines
    def received(self, line, /):
        self.send(line)
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def serve(folder: Path, app: str, *argv: str) -> subprocess.CompletedProcess[str]:
    with start(folder, app, *argv) as process:
        out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def start(folder: Path, app: str, *argv: str) -> subprocess.Popen[str]:
    (folder / "shop.py").write_text(app)
    return subprocess.Popen(
        [sys.executable, "-m", "prefork", "serve", "shop.py:app", *argv],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def connects(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(5)
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_loop_that_can_not_run_the_app_is_told_before_a_port_that_is_in_use(tmp_path: Path, taken: int) -> None:
    done = serve(tmp_path, STREAMS, "--backend", "selectors", "--listen", f"tcp://127.0.0.1:{taken}")
    assert done.returncode == 2
    assert done.stderr.startswith("prefork: backend 'selectors' can't run an app of style 'streams': ")
    assert done.stderr.count("\n") == 1


def test_a_broken_app_is_told_before_a_socket_file_is_made(tmp_path: Path) -> None:
    done = serve(tmp_path, "1 / 0\n", "--listen", "unix:shop.sock")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        f"prefork: app '{tmp_path}/shop.py:app': ZeroDivisionError: division by zero",
    )
    assert not (tmp_path / "shop.sock").exists()


def test_while_the_app_is_imported_clients_are_refused_and_then_served(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    port = free_port()
    with start(tmp_path, WAITS, "--listen", f"tcp://127.0.0.1:{port}") as process:
        gate = os.open(tmp_path / "gate", os.O_WRONLY)  # it is opened when the import has begun
        assert not connects(port)
        os.close(gate)
        until(lambda: connects(port), "listening")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"listening on tcp://127.0.0.1:{port}" in err


def test_who_is_stopped_during_the_import_never_listened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    with start(tmp_path, WAITS, "--listen", "unix:shop.sock") as process:
        gate = os.open(tmp_path / "gate", os.O_WRONLY)
        process.send_signal(signal.SIGTERM)
        os.close(gate)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "listening" not in err
    assert not (tmp_path / "shop.sock").exists()


def test_a_port_that_is_in_use_is_one_line_and_nothing_is_left(tmp_path: Path, taken: int) -> None:
    done = serve(
        tmp_path,
        WAITS.replace("gate", "/dev/null", 1),
        *("--listen", "unix:shop.sock", "--listen", f"tcp://127.0.0.1:{taken}"),
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"prefork: listen tcp://127.0.0.1:{taken}: the address is in use: stop the process that listens there, "
        "or choose another port"
    )
    assert "listening on" not in done.stderr
    assert not (tmp_path / "shop.sock").exists()
    assert not list(Path(f"{tmp_path}/prefork").glob("*.ctl"))


def test_an_address_that_can_not_be_is_told_before_the_import(tmp_path: Path) -> None:
    done = serve(tmp_path, "1 / 0\n", "--listen", "tcp://no-such-host.invalid:80")
    assert done.returncode == 2
    assert done.stderr.startswith("prefork: listen tcp://no-such-host.invalid:80: ")


def test_an_object_that_is_no_app_is_refused_in_the_callers_process() -> None:
    with pytest.raises(AppError, match="is no subclass that tells its style"), running(Client):
        pass


def test_running_raises_what_bind_says(taken: int) -> None:
    with pytest.raises(ConfigError, match="the address is in use"), running(Echo, listen=f"tcp://127.0.0.1:{taken}"):
        pass
