from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from prefork import client
from prefork.client import Connection, GoneError, wait_for_end
from prefork.errors import PreforkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Masters, Outcome

    Prefork = Callable[..., Outcome]


def _line(reply: Any) -> bytes:
    return json.dumps(reply).encode() + b"\n"


def test_a_question_is_one_line_and_so_is_the_answer(masters: Masters, folder: Path) -> None:
    path = masters.start(folder / "a.ctl", {"x": 1})
    with Connection(path) as connection:
        assert connection.ask("scale", to=4) == {"x": 1}
        assert connection.pid == os.getpid()
    assert masters.asked == [{"command": "scale", "args": {"to": 4}}]


ANSWERS: dict[str, tuple[bytes | None, int, str]] = {
    "a refusal has the master's words and code": (
        _line({"ok": False, "exit_code": 5, "error": "no such worker: 9"}),
        5,
        "no such worker: 9",
    ),
    "a refusal without a code": (_line({"ok": False, "error": "no"}), 1, "no"),
    "garbage": (b"\xff\xfe garbage\n", 1, "{path}: status: the answer is not one line of JSON"),
    "an answer cut short": (b'{"ok": tr', 1, "{path}: status: the answer is not one line of JSON"),
    "no answer": (b"", 1, "{path}: status: the answer is not one line of JSON"),
    "an answer that is no answer": (b"[1]\n", 1, "{path}: status: an answer that prefork never gives: [1]"),
    "silence": (None, 1, "{path}: status: no answer in 0.1 s"),
}


@pytest.mark.parametrize(("answer", "code", "message"), ANSWERS.values(), ids=ANSWERS)
def test_a_bad_answer_is_one_line(
    masters: Masters, folder: Path, answer: bytes | None, code: int, message: str
) -> None:
    path = masters.start(folder / "a.ctl", answer)
    with Connection(path, timeout=0.1) as connection, pytest.raises(PreforkError) as caught:
        connection.ask("status")
    assert (caught.value.exit_code, str(caught.value)) == (code, message.format(path=path))


def test_ok_without_a_result_is_an_empty_one(masters: Masters, folder: Path) -> None:
    with Connection(masters.start(folder / "a.ctl", _line({"ok": True}))) as connection:
        assert connection.ask("stop") == {}


def test_nobody_there_is_told_from_not_reachable(folder: Path, masters: Masters) -> None:
    masters.stale(1)
    for path in (folder / "no.ctl", folder / "run" / "prefork" / "1.ctl"):
        with pytest.raises(GoneError) as caught:
            Connection(path)
        assert str(caught.value) == f"{path}: no instance of prefork listens there"
    with pytest.raises(PreforkError) as other:
        Connection(folder / ("x" * 200))
    assert not isinstance(other.value, GoneError)
    assert str(other.value) == f"{folder / ('x' * 200)}: AF_UNIX path too long"


def test_the_end_of_a_process_is_waited_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert wait_for_end(os.pidfd_open(child.pid), 0.01) is False
    pidfd = os.pidfd_open(child.pid)
    child.communicate(b"\n")
    assert wait_for_end(pidfd, 5) is True


def test_status_as_json_is_the_answer(prefork: Prefork, masters: Masters) -> None:
    masters.default(7)
    done = prefork("status", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {"master": {"pid": 7, "name": "prefork", "config_file": None}}


def test_status_as_tables_is_for_people(prefork: Prefork, masters: Masters) -> None:
    masters.default(7, version="0.1.0", state="serving", uptime_s=3, generation=1)
    done = prefork("status")
    assert (done.code, done.err) == (0, "")
    assert done.out.split("\n")[0] == "prefork 0.1.0, pid 7, serving, up 3.0s, generation 1"


def test_a_stop_that_isn_t_waited_for_says_so(prefork: Prefork, masters: Masters) -> None:
    masters.default(7)
    assert prefork("stop", "--timeout", "0") == (0, f"stop: asked (pid {os.getpid()})\n", "")
    assert masters.asked == [{"command": "stop"}]


def test_a_stop_that_takes_too_long_is_one_line(prefork: Prefork, masters: Masters) -> None:
    masters.default(7)
    message = f"stop: pid {os.getpid()} is still there after 50ms; it goes on stopping: see prefork status"
    assert prefork("stop", "--timeout", "50ms") == (1, "", f"prefork: {message}\n")


def test_a_master_of_another_pid_namespace_is_gone_when_its_socket_is(
    prefork: Prefork, masters: Masters, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = masters.default(7)
    monkeypatch.setattr(client.Connection, "pid", 0)
    assert prefork("stop", "--timeout", "100ms").code == 1
    ask = client.Connection.ask

    def ask_and_go(self: Connection, command: str) -> dict[str, Any]:
        result = ask(self, command)
        path.unlink()
        return result

    monkeypatch.setattr(client.Connection, "ask", ask_and_go)
    done = prefork("stop", "--control", str(path))
    assert (done.code, done.err) == (0, "")
    assert folder.is_dir()
