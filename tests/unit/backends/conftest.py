"""What a worker's loop is tested on: its end of the channel, and a slot."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from prefork import wire
from prefork.backends.tether import Tether, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECOND = 1_000_000_000


@pytest.fixture
def tether() -> Iterator[Tether]:
    """Of a worker that nobody speaks to."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    slot = memoryview(bytearray(wire.SLOT_BYTES)).cast("Q")
    with ours, theirs:
        yield Tether(ours, slot, WorkerSettings(1, "alone", 0, _SECOND, 30 * _SECOND, 30 * _SECOND, {}))
