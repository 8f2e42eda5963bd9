"""What a link on a socket asks of its poller."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest

from prefork import App, Session, Stream
from prefork.backends.host import Host
from prefork.backends.socket_link import SocketLink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.backends.host import Tie


class Poller:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int | None]] = []

    def register(self, _fd: int, mask: int) -> None:
        self.told.append(("register", mask))

    def modify(self, _fd: int, mask: int) -> None:
        self.told.append(("modify", mask))

    def unregister(self, _fd: int) -> None:
        self.told.append(("unregister", None))


class Tether:
    """Of a worker that counts nothing."""

    def session_closed(self) -> None:
        """One less."""


class Closes(Session[bytes]):
    framer = Stream


class StaysOpen(Session[bytes]):
    framer = Stream

    def eof(self) -> None:
        """The peer sends no more, and will be answered later."""


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def _told_at_eof(session: type[Session[bytes]], pair: tuple[socket.socket, socket.socket]) -> list[Any]:
    ours, theirs = pair
    poller, host = Poller(), Host(App(session), cast("Tie", Tether()))
    link = SocketLink(host, cast("select.epoll", poller), ours, None, None)
    link.open(0)
    theirs.shutdown(socket.SHUT_WR)
    link.pull()
    host.flush()
    return poller.told


def test_a_session_that_closes_at_the_peers_end_costs_one_registration_and_its_end(pair: Any) -> None:
    assert _told_at_eof(Closes, pair) == [("register", select.EPOLLIN), ("unregister", None)]


def test_a_session_that_outlives_the_peers_end_is_asked_for_input_no_more(pair: Any) -> None:
    assert _told_at_eof(StaysOpen, pair) == [("register", select.EPOLLIN), ("modify", 0)]
