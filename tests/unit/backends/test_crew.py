"""How far a worker with a crew of threads is behind, and what it accepts by that."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from prefork import App, Session, Stream
from prefork.backends.crew import CrewTurns, Threads
from prefork.backends.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.backends.tether import Tether


class Unattended(CrewTurns):
    """Its crew has no threads, so that nobody begins."""

    def welcome(self, connection: socket.SocketType, _peer: object, _listener: object, /) -> Kept:
        return Kept(self, connection)


class Kept:
    def __init__(self, turns: Unattended, connection: socket.SocketType) -> None:
        self.turns, self.connection = turns, connection

    def open(self, _now: int, /) -> None:
        self.turns.crew.sit(self.connection.close)

    def drain(self, _now: int, _seconds_left: float, /) -> None: ...

    def expire(self) -> None: ...


@pytest.fixture
def turns(tether: Tether) -> Iterator[Unattended]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Unattended(Host(App(Session, framer=Stream), tether), tether, [listener], Threads())
        made.watch(listener.fileno())
        yield made
        for each in made.door.held:
            assert isinstance(each, Kept)
            each.connection.close()
        made.close()


def test_who_was_accepted_and_has_no_thread_yet_is_what_a_worker_is_behind_by(turns: Unattended) -> None:
    began = threading.Semaphore(0)
    for _ in range(3):
        turns.crew.sit(began.release)
    assert turns.behind() == 3
    turns.crew.hire()
    for _ in range(3):
        assert began.acquire(timeout=10)
    assert turns.behind() == 0


def test_an_idle_worker_accepts_one_and_one_that_is_behind_as_many_as_it_is_behind_by(turns: Unattended) -> None:
    ((fd, (listener, _, name)),) = turns.door.listeners.items()
    listener.listen(64)
    clients = [socket.create_connection(name) for _ in range(50)]
    held = []
    for _ in range(7):
        turns.door.knock(fd, 0, busy=1 + turns.behind())
        held.append(len(turns.door.held))
    for client in clients:
        client.close()
    assert held == [1, 3, 7, 15, 31, 50, 50]
