"""Handlers of the standard library, by a pool of any loop and by PreforkTCPServer, under programs nobody here wrote."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork.testing import running
from tests.interop.programs import DEADLINE_S, nc, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "apps" / "blocking.py"


@contextlib.contextmanager
def program(handler: str, cwd: Path) -> Iterator[str]:
    """The script, which is a socketserver program with one line changed, until it is told to end; its URL."""
    command = [sys.executable, str(PROGRAM), handler]
    with subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = (re.search(r"listening on (\S+)", line) for line in process.stderr)
        found = next(filter(None, said), None)
        try:
            assert found is not None
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            out, log = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, out) == (0, "served on 127.0.0.1\n"), log
        assert "ERROR" not in log


@pytest.mark.needs("nc.openbsd")
@pytest.mark.parametrize("handler", ["Upper", "UpperLine"])
def test_the_handlers_of_the_standard_library_s_documentation_answer_nc(loop: str, handler: str) -> None:
    with running(f"{PROGRAM}:{handler}", backend=loop) as pool:
        assert run(nc(pool.urls[0], "-N"), b"hello world\n") == b"HELLO WORLD"
        assert pool.stop() == 0
        assert "ERROR" not in pool.log


@pytest.mark.needs("nc.openbsd")
@pytest.mark.parametrize("handler", ["Upper", "UpperLine"])
def test_a_program_moves_by_one_line(handler: str, tmp_path: Path) -> None:
    with program(handler, tmp_path) as url:
        for _ in range(3):
            assert run(nc(url, "-N"), b"hello world\n") == b"HELLO WORLD"


@pytest.mark.needs("curl")
def test_the_standard_library_s_web_server_sends_its_folder_to_curl(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x" * 1_000_000)
    with program("Files", tmp_path) as url:
        where = url.replace("tcp://", "http://")
        assert run(["curl", "-sS", f"{where}/file.txt"]) == b"x" * 1_000_000
        listing = run(["curl", "-sS", where]).decode()
        assert 'href="file.txt"' in listing
        assert run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{where}/missing"]) == b"404"


def test_a_kept_connection_is_one_session_and_ends_with_the_drain(loop: str) -> None:
    with contextlib.ExitStack() as stack, running(f"{PROGRAM}:Pages", backend=loop) as pool:
        host, port = pool.address
        connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_S)
        stack.callback(connection.close)
        for number in range(3):
            connection.request("GET", f"/{number}")
            assert connection.getresponse().read() == f"GET /{number} from 127.0.0.1".encode()
        connection.request("POST", "/", b"abc")
        assert connection.getresponse().read() == b"cba"
        assert sum(worker.sessions for worker in pool.view().workers) == 1
        assert pool.stop(timeout=5) == 0
        assert connection.sock.recv(1) == b""


def test_an_html_page_of_a_handler_s_error_is_whole(loop: str) -> None:
    with contextlib.ExitStack() as stack, running(f"{PROGRAM}:Pages", backend=loop) as pool:
        host, port = pool.address
        connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_S)
        stack.callback(connection.close)
        connection.request("DELETE", "/")
        response = connection.getresponse()
        assert response.status == 501
        assert response.read().endswith(b"</html>\n")
