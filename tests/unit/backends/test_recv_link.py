"""A socket that blocks, and of which one method alone does."""

from __future__ import annotations

import socket
from socket import MSG_PEEK
from typing import TYPE_CHECKING

import pytest

from prefork.backends.recv_link import PatientSocket

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[PatientSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    patient = PatientSocket(ours.family, ours.type, ours.proto, ours.detach())
    with theirs:
        yield patient, theirs
    patient.close()


def test_nothing_but_wait_waits_for_the_peer(pair: tuple[PatientSocket, socket.socket]) -> None:
    patient, peer = pair
    with pytest.raises(BlockingIOError):
        patient.recv(10)
    with pytest.raises(BlockingIOError):
        patient.recv(1, MSG_PEEK)
    peer.sendall(b"more than that")
    assert (patient.recv(1, MSG_PEEK), patient.recv(4), patient.wait(100)) == (b"m", b"more", b" than that")
    peer.close()
    assert patient.wait(10) == b""


def test_nor_for_room(pair: tuple[PatientSocket, socket.socket]) -> None:
    patient, _ = pair
    sends = iter(lambda: patient.send(bytes(65536)), 0)
    with pytest.raises(BlockingIOError):
        list(sends)


def test_made_non_blocking_it_waits_no_more(pair: tuple[PatientSocket, socket.socket]) -> None:
    patient, _ = pair
    patient.setblocking(False)
    with pytest.raises(BlockingIOError):
        patient.wait(10)
