"""Log lines of prefork's own: one line, one write, never waited for; what can't be written at once is counted.

Why a description of our own: O_NONBLOCK belongs to the open description, which stderr shares with whoever started us.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import sys
from datetime import UTC, datetime
from select import POLLOUT, poll

MAX_LINE = 16 * 1024
"""Bytes; longer lines are cut."""


class Sink:
    """Where lines go. `dropped` counts those that could not be written at once."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.dropped = 0
        self._word: memoryview | None = None
        mode = os.fstat(fd).st_mode
        self._socket = socket.socket(fileno=os.dup(fd)) if stat.S_ISSOCK(mode) else None
        self._may_block = not stat.S_ISREG(mode) and os.get_blocking(fd)

    def write(self, line: str) -> None:
        """Write `line` and a newline; on failure count it."""
        raw = line.encode("utf-8", "backslashreplace")[:MAX_LINE] + b"\n"
        try:
            if self._socket is not None:
                sent = self._socket.send(raw, socket.MSG_DONTWAIT)
            elif self._may_block and not _writable(self.fd):
                sent = 0
            else:
                sent = os.write(self.fd, raw)
        except (OSError, ValueError):  # full, closed, gone: the pool goes on
            sent = 0
        if sent != len(raw):
            self.drop()

    def drop(self) -> None:
        """Count a line that was lost."""
        self.dropped += 1
        if self._word is not None:
            self._word[0] = self.dropped

    def count_in(self, word: memoryview) -> None:
        """Begin at 0, and keep the count in this one word of format "Q" too."""
        self.dropped, self._word = 0, word

    def close(self) -> None:
        """Close the description; later lines are dropped."""
        if self._socket is not None:
            self._socket.close()
        with contextlib.suppress(OSError):
            os.close(self.fd)


def _writable(fd: int) -> bool:
    poller = poll()
    poller.register(fd, POLLOUT)
    return any(mask & POLLOUT for _, mask in poller.poll(0))


def open_sink(fd: int = 2) -> Sink:
    """A sink on what `fd` is open on; on /dev/null where `fd` is closed.

    A regular file is duplicated (a second description would have an offset of its own and overwrite), a socket is sent
    to with MSG_DONTWAIT, anything else is opened anew with O_NONBLOCK, or polled first where that is refused.
    """
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return Sink(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
    if not stat.S_ISREG(mode) and not stat.S_ISSOCK(mode):
        with contextlib.suppress(OSError):
            return Sink(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    return Sink(os.dup(fd))


def occupy_standard_fds() -> list[int]:
    """Descriptors 0, 1 and 2 are open; returns those that were closed, now on /dev/null.

    Else the next socket would get such a number, and what is printed there would go to a peer.
    """
    closed = []
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            closed.append(os.open(os.devnull, os.O_RDWR))  # the lowest that is free: `fd`
            os.set_inheritable(fd, True)
    return closed


def reopen_standard_streams() -> None:
    """For a program of prefork's own: where Python found a stream closed, what is printed there goes to /dev/null."""
    occupy_standard_fds()
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the program
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - likewise


class SinkHandler(logging.Handler):
    """Standard logging into a sink; a line break inside a message is escaped, a traceback is indented below it."""

    def __init__(self, sink: Sink, who: str) -> None:
        super().__init__()
        self.sink = sink
        self.who = who

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a log line that can't be made is dropped and counted."""
        try:
            self.sink.write(self.text(record))
        except Exception:  # noqa: BLE001 - a broken __str__ in a user's exception must not end the session
            self.sink.drop()

    def text(self, record: logging.LogRecord) -> str:
        """The record as `<UTC time> <LEVEL> <who>: <message>`."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        text = f"{at}Z {record.levelname} {self.who}: {one_line(record.getMessage())}"
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            text += "\n" + "\n".join(f"    {line}" for line in trace.splitlines())
        return text


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, so that a peer can't forge a log line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def attach(sink: Sink, who: str) -> logging.Handler:
    """Send the logger `prefork`, and it alone, to `sink`; returns the handler for `detach`.

    Again with the same sink, as a worker does with its mold's: only `who` is another, since a new handler costs a birth
    time.
    """
    logger = logging.getLogger("prefork")
    attached = [each for each in logger.handlers if isinstance(each, SinkHandler)]
    handler = next((each for each in attached if each.sink is sink), None) or SinkHandler(sink, who)
    handler.who = who
    for old in attached:
        if old is not handler:
            logger.removeHandler(old)
    logger.addHandler(handler)
    if logger.level != logging.INFO:  # setting it empties the cache of every logger that there is
        logger.setLevel(logging.INFO)
    logger.propagate = False
    return handler


def detach(handler: logging.Handler) -> None:
    """Undo `attach`."""
    logger = logging.getLogger("prefork")
    logger.removeHandler(handler)
    logger.propagate = True
