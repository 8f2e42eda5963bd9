"""The control socket: one JSON object in, one out, then closed. Bounded in bytes, clients and time; never fatal.

Who may ask: whoever passes the file mode (0600) and SO_PEERCRED (our own uid, or root).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from prefork.errors import ConfigError, PreforkError
from prefork.master.facts import Asked
from prefork.master.listeners import identity, remove_stale

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_REQUEST = 64 * 1024
MAX_CLIENTS = 32
RETRY_NS = 1_000_000_000
DEADLINE_NS = 5_000_000_000
"""From accept to the end of the request, and from the reply to its last byte; in between it is the master's turn."""


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    deadline: int | None
    """None: it is owed a reply."""
    received: bytearray = field(default_factory=bytearray)
    reply: bytes = b""


def granted(result: dict[str, Any]) -> dict[str, Any]:
    """The reply to who gets what he asked for."""
    return {"ok": True, "exit_code": 0, "result": result}


def refused(error: PreforkError) -> dict[str, Any]:
    """The reply to who doesn't: one line, and the exit code of his command."""
    return {"ok": False, "exit_code": error.exit_code, "error": str(error)}


class ControlServer:
    """Serves `path` on the caller's epoll; `watch(fd, mask, callback)` and `unwatch(fd)` are the caller's."""

    def __init__(self, path: str, watch: Callable[..., None], unwatch: Callable[[int], None]) -> None:
        self.path = path
        self._watch, self._unwatch = watch, unwatch
        self._ids = count(1)
        self._clients: dict[int, _Client] = {}
        self.asked: list[Asked] = []
        self._again_at = 0
        """When to accept again after running out of files; 0: now."""
        self._socket = _bind(path)
        self._identity = identity(path)
        watch(self._socket.fileno(), select.EPOLLIN, self._accept)

    def next_deadline(self) -> int | None:
        """When the next client's time is up."""
        deadlines = [client.deadline for client in self._clients.values() if client.deadline is not None]
        return min([*deadlines, self._again_at] if self._again_at else deadlines, default=None)

    def expire(self, now: int) -> None:
        """Close the clients whose time is up; accept again when it is time."""
        for key, client in list(self._clients.items()):
            if client.deadline is not None and client.deadline <= now:
                self._drop(key)
        if self._again_at and self._again_at <= now:
            self._again_at = 0
            self._watch(self._socket.fileno(), select.EPOLLIN, self._accept)

    def reply(self, key: int, answer: dict[str, Any]) -> None:
        """Send `answer` and close; nothing happens where the client is gone."""
        client = self._clients.get(key)
        if client is not None:
            client.deadline = time.monotonic_ns() + DEADLINE_NS
            client.reply = json.dumps(answer, default=sorted).encode() + b"\n"  # a view has sets
            self._flush(key, client)

    def close(self) -> None:
        """Close every client and the socket; unlink the path where it is still ours."""
        for key in list(self._clients):
            self._drop(key)
        self._unwatch(self._socket.fileno())
        self._socket.close()
        with contextlib.suppress(OSError):
            if identity(self.path) == self._identity:
                os.unlink(self.path)

    def _accept(self, _mask: int) -> None:
        """Take a batch: a flood of clients must not cost the master a turn each."""
        for _ in range(MAX_CLIENTS):
            try:
                sock, _address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:  # out of files, most likely: level-triggered, it would be told again at once
                self._unwatch(self._socket.fileno())
                self._again_at = time.monotonic_ns() + RETRY_NS
                return
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        if not _may_ask(sock):
            sock.close()
            return
        if len(self._clients) >= MAX_CLIENTS:
            self._drop(min(self._clients, key=lambda key: (self._clients[key].deadline is None, key)))
        sock.setblocking(False)
        key = next(self._ids)
        self._clients[key] = _Client(sock, time.monotonic_ns() + DEADLINE_NS)
        self._watch(sock.fileno(), select.EPOLLIN, lambda mask: self._moved(key, mask))

    def _moved(self, key: int, mask: int) -> None:
        client = self._clients[key]
        if client.reply:
            self._flush(key, client)
            return
        try:
            chunk = client.sock.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        client.received += chunk
        if b"\n" in client.received:
            self._unwatch(client.sock.fileno())
            client.deadline = None
            self._ask(key, bytes(client.received).partition(b"\n")[0])
        elif not chunk or len(client.received) > MAX_REQUEST or mask & select.EPOLLERR:
            self._drop(key)

    def _ask(self, key: int, line: bytes) -> None:
        try:
            request = json.loads(line)
            self.asked.append(Asked(key, str(request["command"]), dict(request.get("args", {}))))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.reply(key, refused(ConfigError('the request is no JSON object with a "command"')))

    def _flush(self, key: int, client: _Client) -> None:
        fd = client.sock.fileno()
        self._unwatch(fd)
        try:
            client.reply = client.reply[client.sock.send(client.reply) :]
        except BlockingIOError:
            pass
        except OSError:
            client.reply = b""
        if client.reply:
            self._watch(fd, select.EPOLLOUT, lambda mask: self._moved(key, mask))
        else:
            self._drop(key)

    def _drop(self, key: int) -> None:
        client = self._clients.pop(key)
        self._unwatch(client.sock.fileno())
        client.sock.close()


def _may_ask(sock: socket.socket) -> bool:
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return uid in (0, os.geteuid())


def _bind(path: str) -> socket.socket:
    """Bind with mode 0600; a socket file that nobody answers on is replaced. Raises OSError."""
    remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        sock.bind(path)
        sock.listen(1024)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock
