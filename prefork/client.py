"""The control socket's client: one JSON line to the master, one back."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
from typing import TYPE_CHECKING, Any, Self

from prefork.errors import PreforkError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

ANSWER_TIMEOUT = 5.0
"""Seconds; a master answers between two turns of its loop, which never waits for anything else."""
_MOST_BYTES = 64 * 1024 * 1024
_PEER = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""


class GoneError(PreforkError):
    """Nobody listens at this control socket."""


class RefusedError(PreforkError):
    """The master understood, and refused."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Connection:
    """One connection to a control socket; the master closes it after one answer."""

    def __init__(self, path: Path, timeout: float = ANSWER_TIMEOUT) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            self._socket.close()
            raise GoneError(f"{path}: no instance of prefork listens there") from None
        except OSError as error:
            self._socket.close()
            raise PreforkError(f"{path}: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def pid(self) -> int:
        """The master's pid as this process sees it; 0 where it lives in another pid namespace."""
        raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid: int = _PEER.unpack(raw)[0]
        return pid

    def ask(self, command: str, **args: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Return the result of `command`. Raises RefusedError, or PreforkError for silence and garbage."""
        request: dict[str, Any] = {"command": command} | ({"args": args} if args else {})
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            reply = json.loads(self._line())
        except TimeoutError:
            raise PreforkError(f"{self.path}: {command}: no answer in {self._socket.gettimeout():g} s") from None
        except OSError as error:
            raise PreforkError(f"{self.path}: {command}: {error.strerror or error}") from None
        except ValueError:
            raise PreforkError(f"{self.path}: {command}: the answer is not one line of JSON") from None
        return self._result(reply, command)

    def _line(self) -> bytes:
        """Return the answer up to its newline, or up to the end."""
        received = bytearray()
        while b"\n" not in received and len(received) <= _MOST_BYTES:
            piece = self._socket.recv(64 * 1024)
            if not piece:
                break
            received += piece
        return bytes(received)

    def _result(self, reply: Any, command: str) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        match reply:
            case {"ok": True, "result": dict() as result}:
                return result
            case {"ok": True}:
                return {}
            case {"ok": False, "error": str() as text}:
                code = reply.get("exit_code")
                raise RefusedError(text, code if isinstance(code, int) else 1)
        raise PreforkError(f"{self.path}: {command}: an answer that prefork never gives: {str(reply)[:80]}")


def wait_for_end(pidfd: int, timeout: float | None) -> bool:
    """Wait until the process is gone, and close `pidfd`; False: it is still there after `timeout` seconds."""
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))
    finally:
        os.close(pidfd)
