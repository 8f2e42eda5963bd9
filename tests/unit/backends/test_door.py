"""Whose turn it is at a listener: a worker that took its only connection goes to the end of the queue."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from prefork import App, Session, Stream
from prefork.backends.host import Host
from prefork.backends.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.backends.tether import Tether


class Watched(Turns):
    """Notes how its listener is watched."""

    def watch(self, fd: int, /) -> None:
        self.told.append("watch")
        super().watch(fd)

    def unwatch(self, fd: int, /) -> None:
        self.told.append("unwatch")
        super().unwatch(fd)

    told: list[str]


@pytest.fixture
def turns(tether: Tether) -> Iterator[Watched]:
    """Of a worker whose listener is watched."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        turns = Watched(Host(App(Session, framer=Stream), tether), tether, [listener])
        turns.told = []
        turns.door.obey(1)
        turns.told.clear()
        yield turns
        for link in [*turns.links.values()]:
            link.expire()
        turns.close()


def _knock(turns: Watched, clients: int, busy: int) -> tuple[int, list[str]]:
    """How many are served after a knock with so many waiting, and what became of the watch."""
    ((fd, (listener, _, name)),) = turns.door.listeners.items()
    with ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(socket.create_connection(name, timeout=5))
        assert select.select([listener], [], [], 5)[0]
        turns.door.knock(fd, 2, busy=busy)
        return len(turns.links), turns.told


def test_who_took_the_only_connection_goes_to_the_end_of_the_queue(turns: Watched) -> None:
    assert _knock(turns, clients=1, busy=3) == (1, ["unwatch", "watch"])


def test_who_is_idle_takes_one_of_several_and_goes_to_the_end_of_the_queue(turns: Watched) -> None:
    assert _knock(turns, clients=2, busy=1) == (1, ["unwatch", "watch"])


def test_where_two_waited_nobody_was_idle_and_who_took_both_stays(turns: Watched) -> None:
    assert _knock(turns, clients=2, busy=3) == (2, [])
