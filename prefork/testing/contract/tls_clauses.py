"""The clause about TLS: what stands between accept and the session, and what both ends see of it."""

from __future__ import annotations

import json
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork import wire
from prefork.app.app import App
from prefork.testing.contract.client import Client
from prefork.testing.contract.harness import MS
from prefork.testing.contract.scripted import Scripted, note
from prefork.testing.contract.stream_clauses import Three
from prefork.testing.contract.tls_client import NAME, TlsSocket, certificates
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing.contract.harness import Worker, Workers
    from prefork.tls import TlsSettings


def half_way(worker: Worker) -> TlsSocket:
    """A peer that has said hello, got its answer, and nothing more."""
    peer = TlsSocket(worker.dial(), certificates().client)
    assert not peer.is_shaken()
    peer.leave()
    peer.feed()
    return peer


def older_than(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client's context that speaks nothing newer."""
    context = ssl.create_default_context(cafile=certificates().authority)
    context.maximum_version = version
    return context


def asks_clients(*, must: bool) -> TlsSettings:
    """A listener's that does."""
    return certificates().server._replace(client_ca=certificates().authority, client_must=must)


def speaks_http(worker: Worker) -> None:
    """As a browser without the s in https."""
    peer = worker.dial()
    peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    while peer.recv(100):
        pass


def speaks_an_old_version(worker: Worker) -> None:
    """Older than the listener's oldest."""
    with pytest.raises(ssl.SSLError):
        worker.connect(context=older_than(ssl.TLSVersion.TLSv1_2))


def has_no_certificate(worker: Worker) -> None:
    """Its own handshake is over before the worker knows: it reads an alert."""
    with pytest.raises(ssl.SSLError):
        worker.connect(opened=False).line()


def is_reset(worker: Worker) -> None:
    """Between its hello and the rest."""
    Client(half_way(worker)).resets()


def ends(worker: Worker) -> None:
    """Between its hello and the rest."""
    half_way(worker).close()


class TlsClauses:
    """36, and those of which TLS makes something else."""

    def test_22_what_one_callback_sends_arrives_in_one_piece(self, start: Workers) -> None:
        client = start(Three).connect(opened=False)
        assert client.socket.recv(1000) == b"one\ntwo\nthree\n"  # a read gives one record

    def test_36_a_place_is_taken_at_accept_and_given_back_when_no_session_comes_of_it(self, start: Workers) -> None:
        worker = start(max_sessions=1)
        silent = worker.dial()
        until(lambda: worker.slot[wire.GATE] == wire.GATE_FULL, "the gate is shut")
        queued = worker.dial()
        worker.ring()
        worker.rests()
        assert worker.slot[wire.ACCEPTED] == 1
        silent.close()
        until(lambda: worker.slot[wire.ACCEPTED] == 2, "the next one is accepted")
        assert (worker.slot[wire.CLOSED], worker.slot[wire.REFUSED]) == (1, 1)
        client = Client(TlsSocket(queued, certificates().client).shake_hands())
        worker.noted("opened {}:{}".format(*worker.listeners[0].getsockname()))
        client.echoes()
        assert worker.log == []
        assert worker.slot[wire.ERRORS] == 0

    @pytest.mark.parametrize(
        ("fails", "tls", "why"),
        [
            (speaks_http, lambda: certificates().server, "http request"),
            (speaks_an_old_version, lambda: certificates().server._replace(min_version="1.3"), "unsupported protocol"),
            (has_no_certificate, lambda: asks_clients(must=True), "peer did not return a certificate"),
            (is_reset, lambda: certificates().server, "Connection reset by peer"),
            (ends, lambda: certificates().server, "the peer has closed the connection"),
        ],
    )
    def test_36_a_handshake_that_fails_is_one_line_and_no_session(
        self, start: Workers, fails: Callable[[Worker], None], tls: Callable[[], TlsSettings], why: str
    ) -> None:
        worker = start(tls=tls())
        other = worker.connect(context=certificates().known)
        fails(worker)
        until(lambda: worker.slot[wire.REFUSED] == 1, "it is counted")
        other.echoes()
        worker.holds(1)
        assert (worker.slot[wire.ACCEPTED], worker.slot[wire.ERRORS]) == (2, 0)
        (line,) = worker.log
        assert line.startswith("no session with 127.0.0.1:")
        assert line.endswith(f": TLS handshake: {why}")
        worker.no_more_notes()

    def test_36_who_is_silent_is_closed(self, start: Workers) -> None:
        worker = start(tls=certificates().server._replace(handshake_timeout_ns=20 * MS))
        assert worker.dial().recv(1) == b""
        until(lambda: worker.slot[wire.REFUSED] == 1, "it is counted")
        worker.holds(0)
        assert worker.log == []

    def test_36_who_is_late_is_closed_and_told(self, start: Workers) -> None:
        worker = start(tls=certificates().server._replace(handshake_timeout_ns=300 * MS))
        with pytest.raises(ssl.SSLEOFError):
            half_way(worker).recv(1)
        until(lambda: worker.slot[wire.REFUSED] == 1, "it is counted")
        worker.holds(0)
        (line,) = worker.log
        assert line.endswith(": TLS handshake: not done after 0.3 s")

    def test_36_admit_is_asked_before_the_handshake(self, start: Workers) -> None:
        worker = start(App(Scripted, admit=lambda *_: note("asked")))  # type: ignore[arg-type]
        assert worker.dial().recv(1) == b""
        worker.noted("asked")

    def test_36_a_drain_closes_who_is_silent_and_lets_a_handshake_under_way_come_to_its_session(
        self, start: Workers
    ) -> None:
        worker = start()
        silent, peer = worker.dial(), half_way(worker)
        worker.holds(2)
        worker.want(WANT_DRAIN)
        assert silent.recv(1) == b""
        assert peer.is_shaken()
        peer.sendall(b"echo in time\n")  # in one piece with the last of the handshake
        client = Client(peer)
        client.hears("in time")
        client.is_over()
        assert worker.ended() == 0

    def test_36_the_deadline_ends_a_handshake(self, start: Workers) -> None:
        worker = start()
        peer = half_way(worker)
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 20 * MS)
        with pytest.raises(ssl.SSLEOFError):
            peer.recv(1)
        assert worker.ended() == 0
        assert worker.slot[wire.REFUSED] == 1

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_36_what_comes_along_with_the_end_of_the_handshake_is_received(
        self, start: Workers, version: ssl.TLSVersion
    ) -> None:
        worker = start()
        peer = TlsSocket(worker.dial(), older_than(version))
        if version is ssl.TLSVersion.TLSv1_3:
            while not peer.is_shaken():
                peer.leave()
                peer.feed()
            peer.sendall(b"echo first\n")  # in one piece with the last of the handshake
        else:
            peer.shake_hands().sendall(b"echo first\n")
        client = Client(peer)
        client.hears("first")
        peer.shutdown(socket.SHUT_WR)
        client.is_over()

    def test_36_conn_tells_what_was_agreed_on(self, start: Workers) -> None:
        worker = start(tls=asks_clients(must=False)._replace(alpn=["h2", "lines/1"]))
        context = ssl.create_default_context(cafile=certificates().authority)
        context.set_alpn_protocols(["lines/1", "lines/0"])
        said = self._agreed(worker, context)
        assert said["version"] == "TLSv1.3"
        assert said["cipher"].startswith("TLS_")
        assert (said["alpn"], said["server_name"], said["peer_certificate"]) == ("lines/1", NAME, None)
        known = self._agreed(worker, certificates().known)
        assert (known["alpn"], known["peer_certificate"]["subjectAltName"]) == (None, [["email", "known@prefork.test"]])

    def _agreed(self, worker: Worker, context: ssl.SSLContext) -> dict[str, Any]:
        client = worker.connect(context=context)
        client.say("tls")
        said: dict[str, Any] = json.loads(client.line())
        return said

    def test_36_a_bare_end_of_the_connection_is_the_end_of_input(self, start: Workers) -> None:
        worker = start()
        connection = worker.dial()
        client = Client(TlsSocket(connection, certificates().client).shake_hands())
        worker.note()
        client.say("pour 3000")
        connection.shutdown(socket.SHUT_WR)
        client.hears_pour(3000)
        client.is_over()
        worker.noted("eof")
        worker.noted("closed NoneType")

    def test_36_an_output_that_is_cut_short_has_no_close_notify(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.say("pour 20000")
        client.say("echo x")
        worker.connect().echoes()
        worker.want(WANT_DRAIN, by=1)
        with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
            client.rest()
        assert worker.ended() == 0

    def test_36_a_drain_waits_for_the_rest_of_a_record(self, start: Workers) -> None:
        worker = start()
        connection = worker.dial()
        peer = TlsSocket(connection, certificates().client).shake_hands()
        client = Client(peer)
        worker.note()
        client.echoes()
        record = peer.seal(b"echo whole\n")
        connection.sendall(record[:9])
        worker.rests()
        worker.want(WANT_DRAIN)
        worker.noted("draining 30")
        connection.sendall(record[9:])
        client.hears("whole")
        client.is_over()
        assert worker.ended() == 0

    def test_36_bytes_that_are_no_record_end_the_session_as_a_lost_connection(self, start: Workers) -> None:
        worker = start()
        connection = worker.dial()
        client = Client(TlsSocket(connection, certificates().client).shake_hands())
        worker.note()
        client.echoes()
        connection.sendall(b"these are no records")
        worker.noted("closed SSLError")
        with pytest.raises(ssl.SSLError):
            client.line()
        assert worker.log == []
