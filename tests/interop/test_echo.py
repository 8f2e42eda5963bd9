"""nc and socat against the echo example, on every kind of listener."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from prefork.testing import running
from tests.interop.programs import EXAMPLES, Terminal, nc, run, socat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prefork.testing import LivePool

Connect = Callable[..., list[str]]

pytestmark = [
    pytest.mark.needs("nc.openbsd", "socat"),
    pytest.mark.parametrize("url", ["tcp4", "tcp6", "unix"], indirect=True),
]
both = pytest.mark.parametrize("connect", [nc, socat])


@pytest.fixture(scope="module")
def pool(loop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePool]:
    """One pool on three listeners. It ends with nothing to complain about."""
    path = tmp_path_factory.mktemp("echo") / "echo.sock"
    listen = ["tcp://127.0.0.1:0", "tcp://[::1]:0", f"unix:{path}"]
    with running(f"{EXAMPLES}/echo.py:Echo", backend=loop, listen=listen) as pool:
        yield pool
        pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))
        assert pool.stop() == 0
        assert "ERROR" not in pool.log
        assert "WARNING" not in pool.log


@pytest.fixture
def url(request: pytest.FixtureRequest, pool: LivePool) -> str:
    return pool.urls[["tcp4", "tcp6", "unix"].index(request.param)]


def test_the_server_s_close_ends_nc(url: str) -> None:
    assert run(nc(url), b"one\nquit\n") == b"welcome\none\nquit\n"


def test_the_server_s_close_ends_socat(url: str) -> None:
    assert run(socat(url, "shut-none"), b"one\nquit\n") == b"welcome\none\nquit\n"


def test_a_half_closed_nc_gets_every_answer(url: str) -> None:
    assert run(nc(url, "-N"), b"one\ntwo\nthree\n") == b"welcome\none\ntwo\nthree\n"


def test_a_half_closed_socat_gets_every_answer(url: str) -> None:
    assert run(socat(url), b"one\ntwo\nthree\n") == b"welcome\none\ntwo\nthree\n"


@both
def test_the_end_of_the_input_alone_ends_the_session(connect: Connect, url: str) -> None:
    assert run(connect(url, *(["-N"] if connect is nc else []))) == b"welcome\n"


def test_a_line_that_the_end_cuts_short_is_no_line(url: str) -> None:
    assert run(nc(url, "-N"), b"whole\ncut sho") == b"welcome\nwhole\n"


def test_what_comes_behind_the_close_is_not_answered(url: str) -> None:
    assert run(nc(url), b"one\nquit\ntwo\n") == b"welcome\none\nquit\n"


def test_many_lines_come_back_in_order(url: str, tmp_path: Path) -> None:
    lines = b"".join(b"%d\n" % number for number in range(200_000))
    typed = tmp_path / "typed"
    typed.write_bytes(lines)
    assert run(socat(url), typed) == b"welcome\n" + lines


def test_large_lines_come_back_whole(url: str, tmp_path: Path) -> None:
    lines = b"".join(b"%05d" % number + b"x" * 60_000 + b"\n" for number in range(300))
    typed = tmp_path / "typed"
    typed.write_bytes(lines)
    assert run(nc(url, "-N"), typed) == b"welcome\n" + lines


@both
def test_a_client_that_is_killed_ends_its_session_alone(connect: Connect, url: str) -> None:
    with Terminal(connect(url)) as victim, Terminal(connect(url)) as witness:
        victim.say("one")
        assert [victim.hear() for _ in range(2)] == ["welcome", "one"]
        assert witness.hear() == "welcome"
        victim.kill()
        witness.say("quit")
        assert witness.hear() == "quit"
