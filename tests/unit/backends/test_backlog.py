from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.backends.backlog import GATHER_BYTES, Backlog, send_pieces

if TYPE_CHECKING:
    from prefork.backends.backlog import Piece


class Kernel:
    """Takes as many bytes of each send as it is told; without a word it is full."""

    def __init__(self, takes: list[int]) -> None:
        self.takes = takes
        self.got = b""
        self.sends: list[int] = []

    def transmit(self, piece: Piece) -> int:
        if not self.takes:
            raise BlockingIOError
        taken = bytes(piece[: self.takes.pop(0)])
        self.got += taken
        self.sends.append(len(piece))
        return len(taken)


@given(pieces=st.lists(st.binary(min_size=1, max_size=9)), takes=st.lists(st.integers(0, 20)))
def test_what_was_sent_and_what_is_left_are_what_there_was(pieces: list[bytes], takes: list[int]) -> None:
    kernel, left = Kernel(takes), [*pieces]
    sent = send_pieces(left, kernel.transmit)  # type: ignore[arg-type]
    assert kernel.got + b"".join(left) == b"".join(pieces)
    assert sent == len(kernel.got)


@given(
    adds=st.lists(st.lists(st.binary(min_size=1, max_size=9)), max_size=5),
    takes=st.lists(st.integers(0, 20), max_size=9),
)
def test_the_size_of_a_backlog_is_what_waits(adds: list[list[bytes]], takes: list[int]) -> None:
    backlog, kernel, added = Backlog(), Kernel(takes), b""
    for pieces in adds:
        backlog.add(pieces)
        added += b"".join(pieces)
        backlog.send(kernel.transmit)
        assert backlog.size == len(added) - len(kernel.got)
        assert added.startswith(kernel.got)


def test_small_pieces_leave_in_one_send_and_large_ones_are_not_copied() -> None:
    kernel = Kernel([1 << 30] * 9)
    large: Piece = memoryview(bytes(GATHER_BYTES + 1))
    send_pieces([b"a", b"b", b"c", large, b"d"], kernel.transmit)
    assert kernel.sends == [3, GATHER_BYTES + 1, 1]


def test_a_broken_connection_is_told() -> None:
    def broken(_piece: Piece) -> int:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        send_pieces([b"x"], broken)
