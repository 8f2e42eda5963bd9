"""A line-speaking client for integration tests; every wait has a deadline."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from prefork.testing import LivePool


class Client:
    """One connection to a pool."""

    def __init__(self, pool: LivePool, timeout: float = 5.0) -> None:
        address = pool.address
        family = (
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        )
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self._file = self.socket.makefile("rb")

    def say(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\n")

    def hear(self) -> str | None:
        """The next line; None at the end of the stream."""
        line = self._file.readline()
        return line.decode().rstrip("\n") if line else None

    def ask(self, line: str) -> str | None:
        self.say(line)
        return self.hear()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
