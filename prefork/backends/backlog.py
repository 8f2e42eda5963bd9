"""What the kernel would not take yet of one connection's output. Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Piece = bytes | memoryview

GATHER_BYTES = 256 * 1024
"""Pieces are joined up to this size for one send."""


def send_pieces(pieces: list[Piece], transmit: Callable[[Piece], int]) -> int:
    """Send the pieces, in order and joined where they are small; what the kernel refuses is left in them.

    `transmit` gives bytes to the kernel and returns how many it took; so does this. Raises OSError for a broken
    connection.
    """
    total = 0
    while pieces:
        piece = pieces[0] if len(pieces) == 1 else _gather(pieces)
        try:
            sent = transmit(piece)
        except BlockingIOError:
            break
        total += sent
        if sent != len(piece):
            pieces[0] = memoryview(piece)[sent:]
            break
        del pieces[0]
    return total


def _gather(pieces: list[Piece]) -> Piece:
    """Join the first pieces, as many as make one send."""
    size = len(pieces[0])
    count = 1
    while count < len(pieces) and size + len(pieces[count]) <= GATHER_BYTES:
        size += len(pieces[count])
        count += 1
    if count > 1:
        pieces[:count] = [b"".join(pieces[:count])]
    return pieces[0]


class Backlog:
    """Pieces that wait for room, and their size in bytes; there is none while the kernel takes all."""

    __slots__ = ("_pieces", "is_high", "size")

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self.size = 0
        self.is_high = False
        """The session was told to pause writing."""

    def add(self, pieces: Sequence[Piece]) -> None:
        """Queue behind what waits."""
        self._pieces.extend(pieces)
        self.size += sum(map(len, pieces))

    def send(self, transmit: Callable[[Piece], int]) -> None:
        """Send what goes; `size` is 0 when nothing waits any more. Raises as `send_pieces`."""
        self.size -= send_pieces(self._pieces, transmit)
