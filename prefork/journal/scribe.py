"""`python -m prefork.journal.scribe FD FOLDER MAX_SIZE` writes a journal, so that the master never waits for a disk.

Theory. Lines come over a stream socket; when it is full the master drops and counts, so nothing that happens to a disk
holds up a pool. A look of a busy pool comes each few milliseconds, and waking for it costs more than writing it: so
lines gather in the socket for a moment between two reads, where they are safe, whatever becomes of the master. How many
lines could not be written is told on the same socket, as a decimal number and a newline, each time that it has grown.
End of input, the end of the master included, is the end.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
from pathlib import Path

from prefork.journal.pieces import Pieces

FLUSH_S = 1.0
GATHER_MS = 250
LATE_S = FLUSH_S + GATHER_MS / 1000 + 0.25
"""What was said so long ago can be read, unless the disk is slow."""
_CHUNK = 1 << 18
MANY = 1 << 15
"""Bytes in one read after which there is no pause: the socket holds some six times as many."""


def write_all(lines: socket.socket, pieces: Pieces) -> None:
    """Write whatever comes, until the end of input."""
    rest, told, flushed_at = b"", 0, time.monotonic()
    ended = select.poll()
    ended.register(lines, select.POLLRDHUP)
    while True:
        patience = max(0.0, flushed_at + FLUSH_S - time.monotonic()) if pieces.pending else None
        readable, _, _ = select.select([lines], [], [], patience)
        chunk = lines.recv(_CHUNK) if readable else None
        if chunk:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                pieces.write(line)
        if not chunk or time.monotonic() - flushed_at >= FLUSH_S:
            pieces.flush()
            flushed_at = time.monotonic()
        if pieces.lost != told:
            told = pieces.lost
            with contextlib.suppress(OSError):  # the master asks seldom, or is gone
                lines.send(b"%d\n" % told, socket.MSG_DONTWAIT)
        if chunk == b"":
            return
        if chunk and len(chunk) < MANY:
            ended.poll(GATHER_MS)


def main() -> None:
    """Serve one master."""
    fd, folder, max_size = sys.argv[1:]
    lines = socket.socket(fileno=int(fd))
    os.set_inheritable(lines.fileno(), False)
    pieces = Pieces(Path(folder), int(max_size))
    try:
        with contextlib.suppress(ConnectionResetError):
            write_all(lines, pieces)
    finally:
        pieces.close()


if __name__ == "__main__":
    main()
