"""One peer of a worker, on a blocking socket with a deadline."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest

from prefork.testing.contract import waiting
from prefork.testing.contract.tls_client import TlsSocket

Socket = socket.socket | TlsSocket

_SEGMENTS_IN = 152
_RESET = struct.pack("ii", 1, 0)


def listen() -> socket.socket:
    """A listener on a free port."""
    return socket.create_server(("127.0.0.1", 0), backlog=256)


def dial(listener: socket.socket) -> socket.socket:
    """A connection to it."""
    connection = socket.socket(listener.family)
    connection.settimeout(waiting.DEADLINE_S)
    connection.connect(listener.getsockname())
    return connection


class Client:
    """One peer of the worker."""

    def __init__(self, connection: Socket) -> None:
        self.socket = connection
        self._text = b""

    def say(self, text: str) -> None:
        """Send a line."""
        self.socket.sendall(f"{text}\n".encode())

    def line(self) -> str:
        """The next line."""
        while b"\n" not in self._text:
            more = self.socket.recv(65536)
            assert more, f"end of connection after {self._text!r:.80}"
            self._text += more
        line, self._text = self._text.split(b"\n", 1)
        return line.decode()

    def hears(self, *lines: str) -> None:
        """The next lines are these."""
        for line in lines:
            assert self.line() == line

    def hears_pour(self, count: int) -> None:
        """The next lines are those of `pour`."""
        for number in range(count):
            assert self.line() == f"{number:01000}"

    def echoes(self) -> None:
        """It is served: what was sent before to others has been seen by then."""
        for _ in range(2):
            self.say("echo hello")
            self.hears("hello")

    def rest(self) -> bytes:
        """Everything until the end of the connection."""
        parts = [self._text]
        while part := self.socket.recv(1 << 20):
            parts.append(part)
        self._text = b""
        return b"".join(parts)

    @property
    def pieces(self) -> int:
        """In how many segments its kernel got what the worker sent.

        Source: tcpi_data_segs_in of struct tcp_info, Linux 4.6 and later.
        """
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SEGMENTS_IN + 4)
        (count,) = struct.unpack_from("I", info, _SEGMENTS_IN)
        return int(count)

    def is_over(self) -> None:
        """The peer closed, and nothing more was sent."""
        assert self._text + self.socket.recv(65536) == b""

    def is_reset(self) -> None:
        """The peer's end was a reset."""
        with pytest.raises(ConnectionResetError):
            self.socket.recv(65536)

    def resets(self) -> None:
        """It goes, so that the worker sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()

    def held_up(self) -> int:
        """Send until the kernel takes no more; how many bytes it took."""
        sent = 0
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += self.socket.send(b"x" * 65536)
        self.socket.settimeout(waiting.DEADLINE_S)
        return sent
