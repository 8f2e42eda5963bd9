"""WSGI apps on every loop that can run them: HTTP as gunicorn's core speaks it, and sessions as any other."""

from __future__ import annotations

import http.client
import os
import socket
import tempfile
import time
from typing import TYPE_CHECKING, Any

import pytest

import prefork.app.wsgi
from prefork import App, wire
from prefork.testing.contract.harness import MS, Worker, Workers
from prefork.testing.contract.scripted import block, note
from prefork.testing.contract.tls_client import certificates
from prefork.testing.contract.waiting import elapse, until
from tests.contract.test_blocking import LOOPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from prefork.testing.contract.client import Client

    StartResponse = Callable[..., Callable[[bytes], object]]


@pytest.fixture(params=["asyncio", "uvloop", "threads", "gevent"])
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    backend, options = LOOPS[request.param]
    with Workers(backend, options) as start:
        yield start


@pytest.fixture(params=["asyncio", "uvloop", "threads"])
def threaded(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Where one that blocks blocks nobody else."""
    backend, options = LOOPS[request.param]
    with Workers(backend, options) as start:
        yield start


def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """What the path says."""
    answer: Iterable[bytes] = PATHS[environ["PATH_INFO"]](environ, start_response)
    return answer


def _text(start_response: StartResponse, text: str) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def _flags(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    names = ("wsgi.multiprocess", "wsgi.multithread", "wsgi.run_once", "wsgi.url_scheme", "REMOTE_ADDR", "SERVER_PORT")
    return _text(start_response, " ".join(str(environ[name]) for name in names))


def _length(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    return _text(start_response, str(len(environ["wsgi.input"].read())))


class _Pieces:
    """An iterable that is closed."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"one "
        yield b"two"

    def close(self) -> None:
        note("closed")


def _pieces(_environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return _Pieces()


def _file(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the server
    file.write(b"x" * 300_000)
    file.seek(0)
    start_response("200 OK", [("Content-Length", "300000")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


def _blocked(_environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    block()
    return _text(start_response, "done")


def _fails(_environ: dict[str, Any], _start_response: StartResponse) -> Iterable[bytes]:
    raise ValueError(7)


def _breaks(_environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "100")])
    yield b"a part"
    raise ValueError(8)


PATHS: dict[str, Callable[..., Iterable[bytes]]] = {
    "/": lambda _, start_response: _text(start_response, "hello"),
    "/flags": _flags,
    "/length": _length,
    "/pieces": _pieces,
    "/file": _file,
    "/blocked": _blocked,
    "/fails": _fails,
    "/breaks": _breaks,
}


class Browser:
    """One connection over which HTTP is spoken."""

    def __init__(self, worker: Worker) -> None:
        self.client: Client = worker.connect(opened=False)
        self.socket: Any = self.client.socket

    def asks(self, path: str, *headers: str, body: bytes = b"", method: str = "GET") -> None:
        head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: test", *headers))
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def hears(self, status: int = 200) -> tuple[str, http.client.HTTPResponse]:
        """Body and response."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        body = response.read().decode()
        assert response.status == status, body
        return body, response

    def gets(self, path: str = "/", *headers: str) -> str:
        self.asks(path, *headers)
        return self.hears()[0]


def keeps(response: http.client.HTTPResponse) -> bool:
    return response.headers["Connection"] == "keep-alive"


# -- requests and responses --------------------------------------------------------------------------------------------


def test_request_after_request_is_one_session(start: Workers) -> None:
    worker = start(App(app))
    browser = Browser(worker)
    for _ in range(3):
        browser.asks("/")
        body, response = browser.hears()
        assert (body, keeps(response)) == ("hello", True)
    port = worker.listeners[0].getsockname()[1]
    assert browser.gets("/flags") == f"True True False http 127.0.0.1 {port}"
    assert worker.slot[wire.ACCEPTED] == 1
    browser.asks("/", "Connection: close")
    assert not keeps(browser.hears()[1])
    browser.client.is_over()
    worker.ends(1)
    assert worker.log == []


def test_a_small_response_leaves_in_one_piece(start: Workers) -> None:
    browser = Browser(start(App(app)))
    for count in (1, 2):
        assert browser.gets() == "hello"
        assert browser.client.pieces == count


def test_bodies_come_whole_or_in_chunks_and_when_they_are_waited_for(start: Workers) -> None:
    browser = Browser(start(App(app)))
    browser.asks("/length", "Content-Length: 100000", body=b"x" * 100_000, method="POST")
    assert browser.hears()[0] == "100000"
    chunked = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    browser.asks("/length", "Transfer-Encoding: chunked", body=chunked, method="POST")
    assert browser.hears()[0] == "11"
    browser.asks("/length", "Content-Length: 2", "Expect: 100-continue", method="POST")
    assert browser.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    browser.socket.sendall(b"ab")
    assert browser.hears()[0] == "2"


def test_a_body_that_the_app_leaves_is_skipped(start: Workers) -> None:
    browser = Browser(start(App(app)))
    browser.asks("/", "Content-Length: 50000", body=b"x" * 50_000, method="POST")
    assert browser.hears()[0] == "hello"
    assert browser.gets() == "hello"


def test_requests_that_came_together_are_answered_in_order(start: Workers) -> None:
    browser = Browser(start(App(app)))
    first = "GET /pieces HTTP/1.1\r\nHost: test\r\n\r\n"
    last = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    browser.socket.sendall((first + last).encode())
    heads = browser.client.rest().decode().split("HTTP/1.1 200 OK")
    assert [head.partition("\r\n\r\n")[2] for head in heads] == ["", "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n", "hello"]


def test_a_response_of_unknown_length_is_chunked_and_its_iterable_closed(start: Workers) -> None:
    worker = start(App(app))
    browser = Browser(worker)
    browser.asks("/pieces")
    body, response = browser.hears()
    assert (body, response.headers["Transfer-Encoding"], keeps(response)) == ("one two", "chunked", True)
    worker.noted("closed")


def test_a_file_is_sent_whole(start: Workers) -> None:
    browser = Browser(start(App(app)))
    assert browser.gets("/file") == "x" * 300_000
    assert browser.gets("/") == "hello"


def test_a_unix_socket_is_served(start: Workers, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        assert Browser(start(App(app), listeners=[listener])).gets("/flags", "X: y").startswith("True True False http")


def test_over_tls_the_scheme_is_https(start: Workers) -> None:
    worker = start(App(app), tls=certificates().server)
    client = worker.connect(opened=False)
    client.socket.sendall(b"GET /flags HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    assert b"True True False https 127.0.0.1" in client.rest()
    worker.ends(1)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_an_exception_is_a_500_and_is_logged_once_with_the_peer(start: Workers) -> None:
    worker = start(App(app))
    browser = Browser(worker)
    browser.asks("/fails")
    assert not keeps(browser.hears(500)[1])
    browser.client.is_over()
    until(lambda: worker.slot[wire.ERRORS] == 1)
    worker.ends(1)
    port = browser.socket.getsockname()[1]
    assert worker.log == [f"session with 127.0.0.1:{port} ended by ValueError: 7"]
    assert "The request was GET /fails" in os.pread(worker._log, 1 << 20, 0).decode()


def test_an_exception_in_the_middle_of_a_body_leaves_it_cut_short(start: Workers) -> None:
    worker = start(App(app))
    browser = Browser(worker)
    browser.asks("/breaks")
    with pytest.raises(http.client.IncompleteRead):
        browser.hears()
    until(lambda: worker.slot[wire.ERRORS] == 1)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("NONSENSE", 400),
        ("GET /" + "x" * 5000 + " HTTP/1.1", 414),
        ("GET / HTTP/1.1\r\nX: " + "y" * 9000, 431),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: x, chunked", 501),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400),
    ],
    ids=["line", "long line", "long header", "coding", "two lengths"],
)
def test_what_is_no_http_is_answered_and_one_line_of_warning(start: Workers, request_line: str, status: int) -> None:
    worker = start(App(app))
    browser = Browser(worker)
    browser.socket.sendall(f"{request_line}\r\n\r\n".encode())
    browser.hears(status)
    browser.client.is_over()
    worker.ends(1)
    assert [line.partition(" ended: ")[0] for line in worker.log] == [
        f"session with 127.0.0.1:{browser.socket.getsockname()[1]}"
    ]
    assert worker.slot[wire.ERRORS] == 0


def test_a_peer_that_goes_while_it_is_answered_is_no_error(start: Workers) -> None:
    worker = start(App(app))
    browser = Browser(worker)
    browser.asks("/blocked")
    worker.noted("blocked")
    browser.client.resets()
    worker.unlatch()
    worker.ends(1)
    assert worker.slot[wire.ERRORS] == 0
    assert worker.log == []


def test_who_says_nothing_is_left_after_a_while(start: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefork.app.wsgi, "IDLE_S", 0.05)
    worker = start(App(app))
    fresh, used = Browser(worker), Browser(worker)
    assert used.gets() == "hello"
    fresh.client.is_over()
    used.client.is_over()
    worker.ends(2)
    assert worker.log == []


def test_a_head_that_takes_too_long_is_408_however_it_trickles(start: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefork.app.wsgi, "HEAD_S", 0.1)
    worker = start(App(app))
    browser = Browser(worker)
    began = time.monotonic()
    browser.socket.sendall(b"GET / HT")
    browser.hears(408)
    browser.client.is_over()
    assert time.monotonic() - began >= 0.1
    worker.ends(1)


def test_a_body_that_stalls_is_408(start: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefork.app.wsgi, "STALL_S", 0.1)
    worker = start(App(app))
    browser = Browser(worker)
    browser.asks("/length", "Content-Length: 10", body=b"half", method="POST")
    browser.hears(408)
    browser.client.is_over()
    worker.ends(1)


# -- drain -------------------------------------------------------------------------------------------------------------


def test_a_drain_closes_connections_that_are_kept_alive(start: Workers) -> None:
    worker = start(App(app))
    used, fresh = Browser(worker), Browser(worker)
    assert used.gets() == "hello"
    worker.holds(2)
    worker.want(wire.WANT_DRAIN)
    used.client.is_over()
    fresh.client.is_over()
    assert worker.ended() == 0
    assert worker.log == []


def test_a_response_that_begins_after_the_drain_says_that_it_is_the_last(threaded: Workers) -> None:
    worker = threaded(App(app))
    browser = Browser(worker)
    browser.asks("/blocked")
    worker.noted("blocked")
    worker.want(wire.WANT_DRAIN, by=time.monotonic_ns() + 20_000 * MS)
    worker.acts_on(wire.WANT_DRAIN)
    worker.unlatch()
    body, response = browser.hears()
    assert (body, keeps(response)) == ("done", False)
    browser.client.is_over()
    assert worker.ended() == 0


def test_a_request_whose_head_has_begun_when_a_drain_begins_is_answered(start: Workers) -> None:
    worker = start(App(app))
    browser = Browser(worker)
    assert browser.gets() == "hello"
    browser.socket.sendall(b"GET / HTTP/1.1\r\nHo")
    with worker.frozen():
        worker.want(wire.WANT_DRAIN, by=time.monotonic_ns() + 20_000 * MS)
    worker.acts_on(wire.WANT_DRAIN)
    elapse(300 * MS)
    browser.socket.sendall(b"st: test\r\n\r\n")
    body, response = browser.hears()
    assert (body, keeps(response)) == ("hello", False)
    assert worker.ended() == 0


def test_after_many_connections_nothing_is_left(start: Workers) -> None:
    worker = start(App(app))
    assert Browser(worker).gets("/", "Connection: close") == "hello"
    worker.ends(1)
    worker.rests()
    before = worker.descriptors, worker.threads
    for count in range(2, 100):
        browser = Browser(worker)
        assert browser.gets("/", "Connection: close") == "hello"
        browser.socket.close()
        worker.ends(count)
    assert (worker.descriptors, worker.threads) == before
