"""The scribe wakes seldom, and everything that came is written."""

from __future__ import annotations

import gzip
import socket
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from prefork.journal.pieces import Pieces, pieces_in
from prefork.journal.scribe import GATHER_MS, MANY, write_all

if TYPE_CHECKING:
    from pathlib import Path

KEY = b'["key",{}]'


class Talkative(socket.socket):
    """The scribe's end: each time that it has read, the master says another line, up to the last one."""

    def listen_to(self, master: socket.socket, lines: list[bytes]) -> None:
        self.master, self.lines = master, lines
        self.read_at: list[float] = []

    def recv(self, size: int, flags: int = 0) -> bytes:
        said = super().recv(size, flags)
        self.read_at.append(time.monotonic())
        if self.lines:
            self.master.sendall(self.lines.pop(0) + b"\n")
        else:
            self.master.close()
        return said


def written(folder: Path) -> bytes:
    (piece,) = pieces_in(folder)
    return gzip.decompress(piece.read_bytes())


def heard(folder: Path, lines: list[bytes]) -> list[float]:
    """When the scribe read, while the master said these lines."""
    master, other = socket.socketpair()
    with master, Talkative(fileno=other.detach()) as its:
        its.listen_to(master, lines[1:])
        master.sendall(lines[0] + b"\n")
        pieces = Pieces(folder, 1 << 20)
        write_all(its, pieces)
        pieces.close()
        return its.read_at


def test_lines_gather_between_two_reads(tmp_path: Path) -> None:
    read_at = heard(tmp_path, [KEY, b"1", b"2"])
    gaps = [after - before for before, after in pairwise(read_at)]
    assert [gap >= GATHER_MS / 1000 for gap in gaps[:2]] == [True, True]
    assert written(tmp_path) == KEY + b"\n1\n2\n"


def test_where_much_came_it_reads_on(tmp_path: Path) -> None:
    many = [b"x" * MANY] * 40
    read_at = heard(tmp_path, [KEY, *many])
    gaps = [after - before for before, after in pairwise(read_at)]
    assert sum(gap >= GATHER_MS / 1000 for gap in gaps) < len(many)
    assert written(tmp_path).count(b"\n") == 1 + len(many)
