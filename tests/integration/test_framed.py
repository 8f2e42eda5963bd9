"""Framers on a real pool: HTTP with a client that nobody here wrote, upgrades, a change of framer after any item."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING

import pytest

from prefork.testing import running
from tests.apps.framed import FRAMERS, Changing, Upgrading

if TYPE_CHECKING:
    from prefork.testing import LivePool

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"


def heard(sock: socket.socket, size: int) -> bytes:
    """The next `size` bytes; fewer at the end of input."""
    got = b""
    while len(got) < size and (chunk := sock.recv(size - len(got))):
        got += chunk
    return got


def connected(pool: LivePool) -> socket.socket:
    sock = socket.create_connection(pool.address, timeout=10)
    sock.settimeout(10)
    return sock


def test_an_http_client_is_answered_at_once_late_and_from_a_thread() -> None:
    with running(Upgrading) as pool:
        client = http.client.HTTPConnection("example")
        client.sock = connected(pool)
        for target, said in [("/", b"body"), ("/late", b"body"), ("/thread", b"BODY"), ("/", b"body")]:
            client.request("POST", target, b"body", {"Expect": "100-continue"})
            response = client.getresponse()
            assert (response.status, response.getheader("x-target"), response.read()) == (200, target, said)
        client.request("GET", "/", headers={"Connection": "close"})
        assert client.getresponse().read() == b""
        client.close()


def test_pipelined_requests_are_answered_in_their_order_however_late_each_answer_is() -> None:
    targets = [b"/late", b"/", b"/thread", b"/late", b"/"]
    with running(Upgrading) as pool, connected(pool) as sock:
        sock.sendall(b"".join(GET % target for target in targets))
        for target in targets:
            answer = b"HTTP/1.1 200 \r\nx-target: %b\r\ncontent-length: 0\r\n\r\n" % target
            assert heard(sock, len(answer)) == answer


def test_after_an_upgrade_the_bytes_that_came_with_it_belong_to_the_next_framer() -> None:
    upgrade = b"GET /own HTTP/1.1\r\nHost: a\r\nUpgrade: netstring\r\n\r\n"
    with running(Upgrading) as pool, connected(pool) as sock:
        sock.sendall(upgrade + b"2:ab,1:")
        answer = b"HTTP/1.1 101 \r\nconnection: upgrade\r\nupgrade: netstring\r\n\r\n2:ab,"
        assert heard(sock, len(answer)) == answer
        sock.sendall(b"c,")
        assert heard(sock, 4) == b"1:c,"


@pytest.mark.parametrize("at_once", [True, False])
def test_a_session_changes_its_framer_after_any_item(at_once: bool) -> None:
    names = ["netstring", "msgpack", "framed", "json", "msgpack", "netstring"]
    spoken, raw = FRAMERS["json"], b""
    for name in names:
        raw += spoken.encode(name.encode() if spoken is FRAMERS["netstring"] else name)
        spoken = FRAMERS[name]
    with running(Changing) as pool, connected(pool) as sock:
        for piece in [raw] if at_once else [raw[at : at + 1] for at in range(len(raw))]:
            sock.sendall(piece)
        assert heard(sock, len(raw)) == raw
