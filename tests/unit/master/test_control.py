"""Who waits for the master's reply is not sent away for that."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from prefork.master.control import DEADLINE_NS, MAX_CLIENTS, ControlServer, granted
from prefork.master.facts import Asked
from prefork.master.poller import Poller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def poller() -> Iterator[Poller]:
    poller = Poller()
    yield poller
    poller.close()


@pytest.fixture
def server(tmp_path: Path, poller: Poller) -> Iterator[ControlServer]:
    server = ControlServer(f"{tmp_path}/ctl", poller.watch, poller.unwatch)
    yield server
    server.close()


def client(server: ControlServer) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(server.path)
    return sock


def test_a_client_that_has_asked_is_owed_the_reply_however_long_it_takes_and_whoever_comes(
    server: ControlServer, poller: Poller
) -> None:
    with client(server) as asker:
        poller.poll(0)
        accepted = server.next_deadline()
        assert accepted is not None
        asker.sendall(b'{"command": "reload"}\n')
        poller.poll(0)
        assert server.asked == [Asked(1, "reload", {})]
        assert server.next_deadline() is None
        server.expire(accepted + 10 * DEADLINE_NS)
        crowd = [client(server) for _ in range(MAX_CLIENTS)]
        poller.poll(0)
        server.reply(1, granted({}))
        assert json.loads(asker.recv(4096)) == {"ok": True, "exit_code": 0, "result": {}}
        for each in crowd:
            each.close()


def test_a_client_that_asks_nothing_is_sent_away_in_time(server: ControlServer, poller: Poller) -> None:
    with client(server) as silent:
        poller.poll(0)
        deadline = server.next_deadline()
        assert deadline is not None
        server.expire(deadline)
        assert silent.recv(4096) == b""


def test_a_reply_that_nobody_reads_has_a_deadline_again(server: ControlServer, poller: Poller) -> None:
    with client(server) as asker:
        asker.sendall(b'{"command": "status"}\n')
        poller.poll(0)
        poller.poll(0)
        server.reply(1, granted({"much": "x" * (4 << 20)}))
        deadline = server.next_deadline()
        assert deadline is not None
        server.expire(deadline)
        assert server.next_deadline() is None
