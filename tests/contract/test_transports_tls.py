"""TLS of a listener under what asyncio's transports carry: the transport shakes hands, and the place is the door's."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork import App, wire
from prefork.testing.contract import Workers, note
from prefork.testing.contract.client import Client
from prefork.testing.contract.harness import MS
from prefork.testing.contract.tls_clauses import half_way, is_reset, speaks_http
from prefork.testing.contract.tls_client import TlsSocket, certificates
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator


class Upper(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        note(transport.get_extra_info("ssl_object").version())

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def shutdown(self) -> None:
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        note(type(exc).__name__)


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    note(writer.get_extra_info("ssl_object").version())
    while line := await reader.readline():
        writer.write(line.upper())
    note("NoneType")


@pytest.fixture(params=["asyncio protocol", "uvloop protocol", "asyncio streams", "uvloop streams", "threads streams"])
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    loop, style = request.param.split()
    app = App(Upper) if style == "protocol" else App(upper)
    backend, options = ("threads", {}) if loop == "threads" else ("asyncio", {"loop": loop})
    with Workers(backend, options, app, tls=certificates().server) as start:
        yield start


def test_it_is_spoken_before_the_session_and_a_drain_ends_both(start: Workers) -> None:
    worker = start()
    client = worker.connect(opened=False)
    client.say("hello")
    client.hears("HELLO")
    worker.noted("TLSv1.3")
    worker.want(WANT_DRAIN)
    client.is_over()
    client.socket.close()
    assert worker.ended() == 0
    worker.noted("NoneType")
    assert (worker.log, worker.slot[wire.ERRORS], worker.slot[wire.REFUSED]) == ([], 0, 0)


@pytest.mark.parametrize(("fails", "lines"), [(speaks_http, 1), (is_reset, 0)])
def test_a_handshake_that_fails_is_no_session(start: Workers, fails: Any, lines: int) -> None:
    worker = start()
    other = worker.connect(opened=False)
    other.say("hello")
    other.hears("HELLO")
    worker.noted("TLSv1.3")
    fails(worker)
    until(lambda: worker.slot[wire.REFUSED] == 1, "it is counted")
    worker.holds(1)
    other.say("on")
    other.hears("ON")
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.ERRORS], len(worker.log)) == (2, 0, lines)
    assert all(line.startswith("no session with 127.0.0.1:") and "TLS handshake: " in line for line in worker.log)
    worker.no_more_notes()


def test_who_is_silent_or_late_is_closed_in_time(start: Workers) -> None:
    worker = start(tls=certificates().server._replace(handshake_timeout_ns=200 * MS))
    assert worker.dial().recv(1) == b""
    until(lambda: worker.slot[wire.REFUSED] == 1, "it is counted")
    worker.holds(0)


def test_a_drain_closes_who_is_silent_and_lets_a_handshake_under_way_come_to_its_session(start: Workers) -> None:
    worker = start()
    silent, peer = worker.dial(), half_way(worker)
    worker.holds(2)
    worker.want(WANT_DRAIN)
    assert silent.recv(1) == b""
    assert peer.is_shaken()
    peer.sendall(b"in time\n")
    client = Client(peer)
    client.hears("IN TIME")
    client.is_over()
    client.socket.close()
    assert worker.ended() == 0


def test_the_deadline_ends_a_handshake(start: Workers) -> None:
    worker = start()
    peer = half_way(worker)
    worker.want(WANT_DRAIN, by=time.monotonic_ns() + 20 * MS)
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        peer.recv(1)
    assert worker.ended() == 0
    assert worker.slot[wire.REFUSED] == 1


async def scheme(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": scope["scheme"].encode() + b"\n"})


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_asgi_app_is_told_https(loop: str) -> None:
    with Workers("asyncio", {"loop": loop}, App(scheme), tls=certificates().server) as start:
        worker = start()
        client = worker.connect(opened=False)
        client.socket.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        while client.line() != "\r":
            pass
        client.hears("https")
        worker.want(WANT_DRAIN)
        client.is_over()  # and says nothing to it, which is waited for, but not long
        assert worker.ended() == 0


def test_a_peer_may_be_one_of_the_standard_library(start: Workers) -> None:
    worker = start()
    peer = TlsSocket(worker.dial(), certificates().client).shake_hands()
    worker.noted("TLSv1.3")
    peer.close()
    worker.ends(1)
