"""Programs that nobody here wrote, as clients of a pool: each bounded in time, and ended with the test."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import IO, TYPE_CHECKING, Self

from prefork.address import UnixAddress, parse_address

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = __file__.rpartition("/tests/")[0] + "/examples"
DEADLINE_S = 20.0


def nc(url: str, *options: str) -> list[str]:
    """The command that connects to `url`."""
    parsed = parse_address(url)
    where = ["-U", parsed.path] if isinstance(parsed, UnixAddress) else [parsed.host, str(parsed.port)]
    return ["nc.openbsd", *options, *where]


def socat(url: str, *options: str) -> list[str]:
    """The command that connects to `url`; at the end of its input it half-closes and waits for the peer's end."""
    parsed = parse_address(url)
    if isinstance(parsed, UnixAddress):
        where = f"UNIX-CONNECT:{parsed.path}"
    else:
        where = f"TCP6:[{parsed.host}]:{parsed.port}" if ":" in parsed.host else f"TCP4:{parsed.host}:{parsed.port}"
    return ["socat", "-t", str(2 * DEADLINE_S), "-", ",".join([where, *options])]


def run(command: list[str], typed: bytes | Path = b"", *, status: int = 0) -> bytes:
    """What the program prints, given `typed` (or the file) as its input; it has to end with `status`."""
    if isinstance(typed, bytes):
        done = subprocess.run(command, input=typed, capture_output=True, timeout=DEADLINE_S, check=False)
    else:
        with typed.open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == status, f"{command} ended with {done.returncode}: {done.stderr.decode()}"
    return done.stdout


class Terminal:
    """A program that somebody types to, and reads from, line by line."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: IO[bytes] = self._process.stdin
        self._out: IO[bytes] = self._process.stdout
        self._held = b""

    def say(self, *lines: str) -> None:
        for line in lines:
            self._in.write(f"{line}\n".encode())

    def hear(self) -> str | None:
        """The next line; None at the end of the output. Raises TimeoutError."""
        until = time.monotonic() + DEADLINE_S
        while b"\n" not in self._held:
            if not select.select([self._out], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"nothing more than {self._held!r} within {DEADLINE_S} s")
            chunk = os.read(self._out.fileno(), 1 << 16)
            if not chunk:
                return None
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()

    def end_input(self) -> None:
        self._in.close()

    def wait(self) -> int:
        """Its exit status. Raises TimeoutExpired."""
        return self._process.wait(DEADLINE_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._in.close()
        self._out.close()
