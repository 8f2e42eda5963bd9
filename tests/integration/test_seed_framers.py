"""The seed's filters, as framers: bytes as they travel, on a real pool. Named after the filters."""

# ruff: noqa: N802 - the names are the seed's

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest

from tests.apps import filters

if TYPE_CHECKING:
    from tests.live import Start

APPS = filters.__name__


def answered(start: Start, app: str, sent: bytes) -> bytes:
    """Every byte that comes back for `sent`, which comes in two pieces and then ends."""
    with socket.create_connection(start(f"{APPS}:{app}").address, timeout=5) as sock, sock.makefile("rb") as file:
        middle = len(sent) // 2
        sock.sendall(sent[:middle])
        sock.sendall(sent[middle:])
        sock.shutdown(socket.SHUT_WR)
        return file.read()


@pytest.mark.parametrize(
    ("app", "sent"),
    [
        pytest.param("fixed", b"onetwo 3", id="Fixed"),
        pytest.param("length_prefixed", b"\0\0\0\3one\0\0\0\2\n\n", id="LengthPrefixed"),
        pytest.param("netstring", b"3:one,0:,", id="Netstring"),
    ],
)
def test_Filter_Block_is_Fixed_LengthPrefixed_or_Netstring(prefork_pool: Start, app: str, sent: bytes) -> None:
    assert answered(prefork_pool, app, sent) == sent


@pytest.mark.parametrize(
    ("app", "sent"),
    [
        pytest.param("json_lines", b'{"one":[1,null]}\n"two"\n', id="JSONLines"),
        pytest.param("messagepack", msgpack.packb({"one": [1, None]}) + msgpack.packb("two"), id="MessagePack"),
    ],
)
def test_Filter_Reference_is_JSONLines_or_MessagePack(prefork_pool: Start, app: str, sent: bytes) -> None:
    assert answered(prefork_pool, app, sent) == sent


def test_Filter_HTTPD_is_H11(prefork_pool: Start) -> None:
    host, port = prefork_pool(f"{APPS}:web").address
    client = http.client.HTTPConnection(host, port, timeout=5)
    for path in ("/one", "/two"):  # both on one connection
        client.request("GET", path)
        with client.getresponse() as response:
            assert (response.status, response.read()) == (200, f"GET {path}".encode())
    client.close()


def test_Filter_Stackable_is_compose(prefork_pool: Start) -> None:
    sent = b"\0\0\0\7" + b'{"a":1}' + b"\0\0\0\4null"
    assert answered(prefork_pool, "stacked", sent) == sent


def test_set_input_filter_and_set_output_filter_are_set_framer(prefork_pool: Start) -> None:
    sent = b'one\njson\n{"two":2}\n'
    assert answered(prefork_pool, "Upgrading", sent) == sent
