"""The control socket: garbage, silence and strangers have no effect on the pool."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork.client import GoneError
from prefork.errors import ConfigError, PreforkError
from tests.apps.lines import Echo
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]


def raw(pool: LivePool, sent: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(pool.control)
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as file:
            return file.read()


def test_the_socket_is_its_owners_alone(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo)
    assert stat.S_IMODE(os.stat(pool.control).st_mode) == 0o600


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\n", b"[]\n", b"{}\n", b'{"command": null, "args": 3}\n', b"[" * 50_000 + b"\n", b"\xff\xfe\n"],
    ids=["text", "a list", "no command", "args that are no object", "a deep nest", "no utf-8"],
)
def test_garbage_is_answered_with_an_error_and_the_pool_goes_on(prefork_pool: Start, sent: bytes) -> None:
    pool = prefork_pool(Echo)
    answer = json.loads(raw(pool, sent))
    assert answer["ok"] is False
    assert answer["exit_code"] == 2
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


def test_a_request_without_end_is_cut_off(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(pool.control)
        with pytest.raises(OSError, match=r"Broken pipe|reset"):  # noqa: PT012 - whichever send is the first to fail
            while True:
                sock.sendall(b"x" * 65536)
    assert pool.view().workers


def test_five_hundred_silent_clients_keep_nobody_from_asking(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo)
    with ExitStack() as stack:
        for _ in range(500):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(10)
            sock.connect(pool.control)
        assert pool.status()["master"]["state"] == "serving"
        with Client(pool) as client:
            assert client.ask("hello") == "hello"


def test_an_unknown_command_says_which_are_known(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo)
    with pytest.raises(
        PreforkError,
        match=r"'dance' .* is not known; known: drain, pause, policy, reload, resume, scale, status, stop, view",
    ):
        pool.ask("dance")


def test_another_user_is_turned_away(prefork_pool: Start) -> None:
    if os.geteuid() != 0:
        return  # only root can become somebody else; CI is root
    pool = prefork_pool(Echo)
    os.chmod(pool.control, 0o666)
    os.chmod(Path(pool.control).parent, 0o755)
    child = os.fork()
    if child == 0:  # a process that can't read this Python's files any more: nothing may be imported from here on
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(pool.control)
            try:
                sock.sendall(b'{"command": "stop"}\n')
                heard = sock.recv(100)
            except OSError:
                heard = b""
        os._exit(1 if heard else 0)
    assert os.waitpid(child, 0)[1] == 0
    assert pool.view().stop_at is None


def test_when_the_pool_has_stopped_the_socket_is_gone(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo)
    assert pool.stop() == 0
    assert not Path(pool.control).exists()
    with pytest.raises(GoneError):
        pool.ask("status")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda path: path.parent.write_text("no folder"), "Not a directory", id="no folder"),
        pytest.param(
            lambda path: (path.parent.mkdir(), path.write_text("mine")),
            "another instance listens there, or it is no socket",
            id="a regular file",
        ),
    ],
)
def test_a_control_that_is_named_and_cannot_be_had_refuses_the_start(
    prefork_pool: Start, tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    path = tmp_path / "there" / "ctl"
    make(path)
    with pytest.raises(ConfigError) as caught:
        prefork_pool(Echo, control=str(path))
    assert str(caught.value) == f"control {path}: {why}: choose another path, or stop that instance"
    assert not path.is_file() or path.read_text() == "mine"


def test_a_second_instance_of_the_same_control_is_refused_and_the_first_goes_on(prefork_pool: Start) -> None:
    first = prefork_pool(Echo)
    with pytest.raises(ConfigError, match=f"control {first.control}: another instance listens there"):
        prefork_pool(Echo, control=first.control)
    assert first.status()["master"]["pid"] == first.pid


def test_a_default_control_that_cannot_be_had_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = subprocess.run(
        [sys.executable, "-m", "prefork", "serve", "tests.apps.lines:Nobody", "--listen", "tcp://127.0.0.1:0"],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == ConfigError.exit_code  # the app has no such attribute, which is looked at afterwards
    assert "WARNING master: no control socket" in done.stderr
