"""Classes of `socketserver`'s on every loop: called as the standard library calls them."""

from __future__ import annotations

import socketserver
from typing import TYPE_CHECKING, Any

import pytest

from prefork import App, wire
from prefork.socketserver import PreforkTCPServer
from prefork.testing.contract.harness import Workers
from prefork.testing.contract.scripted import note
from prefork.testing.contract.waiting import until
from tests.contract.test_blocking import LOOPS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=LOOPS)
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    backend, options = LOOPS[request.param]
    with Workers(backend, options) as start:
        yield start


class Handler(socketserver.StreamRequestHandler):
    """Says what it was given, line by line, until a word ends it."""

    timeout = 10

    def setup(self) -> None:
        super().setup()
        note("setup")

    def handle(self) -> None:
        for raw in self.rfile:
            word = raw.decode().strip()
            if word == "fail":
                raise ValueError(7)
            if word == "stop":
                self.server.shutdown()
            self.wfile.write(f"{word} {self.client_address[1]} {self.server.server_address[1]}\n".encode())  # type: ignore[index]

    def finish(self) -> None:
        note("finish")
        super().finish()


class Choosy(PreforkTCPServer):
    """Serves one connection in two."""

    seen = 0

    def verify_request(self, request: Any, client_address: Any) -> bool:
        assert request.getpeername() == client_address
        type(self).seen += 1
        return self.seen % 2 == 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        assert request.getpeername() == client_address
        note("handled")


def test_a_handler_class_is_called_as_socketserver_does(start: Workers) -> None:
    worker = start(App(Handler))
    client = worker.connect(opened=False)
    worker.noted("setup")
    client.say("hello")
    port, listener = client.socket.getsockname()[1], worker.listeners[0].getsockname()[1]
    client.hears(f"hello {port} {listener}")
    client.say("fail")
    client.is_over()
    worker.noted("finish")
    until(lambda: worker.slot[wire.ERRORS] == 1)
    assert f"session with 127.0.0.1:{port} ended by ValueError: 7" in worker.log[0]


def test_a_handler_stops_the_pool_by_its_server(start: Workers) -> None:
    worker = start(App(Handler))
    worker.connect(opened=False).say("stop")
    assert worker.hear() == wire.Request("stop", "app")


def test_a_drain_ends_a_handler_by_the_end_of_its_input(start: Workers) -> None:
    worker = start(App(Handler))
    client = worker.connect(opened=False)
    client.say("hello")
    assert client.line().startswith("hello")
    worker.want(wire.WANT_DRAIN)
    client.is_over()
    assert worker.ended() == 0
    worker.noted("setup", "finish")


def test_a_server_class_may_refuse_and_deal_with_errors(start: Workers) -> None:
    worker = start(Choosy.app_of(Handler))
    first = worker.connect(opened=False)
    worker.noted("setup")
    worker.connect(opened=False).is_over()
    first.say("fail")
    first.is_over()
    worker.noted("finish", "handled")
    worker.ends(2)
    assert worker.log == []
    assert worker.slot[wire.ERRORS] == 0
