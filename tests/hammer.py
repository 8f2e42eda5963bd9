"""Clients that never rest, and count what became of each of their sessions. For the apps of `tests.apps.seed`."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from prefork.testing import LivePool

SERVED = "served"


class Hammer:
    """So many clients at once, from the block's begin to its end; each session is heard from `begin` to `end PID`."""

    def __init__(self, pool: LivePool, clients: int = 6) -> None:
        self._address = pool.address
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self.outcomes: Counter[str] = Counter()
        self.by_pid: Counter[int] = Counter()
        """Sessions served, by the worker's pid."""

    @property
    def served(self) -> int:
        return self.outcomes[SERVED]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def check(self, at_least: int) -> None:
        """No session was lost, reset, refused or late, and there were enough of them for that to mean something."""
        assert set(self.outcomes) == {SERVED}, self.outcomes
        assert self.served >= at_least

    def _run(self) -> None:
        while not self._over.is_set():
            outcome, pid = self._session()
            with self._lock:
                self.outcomes[outcome] += 1
                if pid:
                    self.by_pid[pid] += 1

    def _session(self) -> tuple[str, int]:
        try:
            with socket.create_connection(self._address, timeout=20) as sock, sock.makefile("rb") as file:
                heard = file.read()
        except OSError as error:
            return type(error).__name__, 0
        match heard.split():
            case [b"begin", b"end", pid]:
                return SERVED, int(pid)
        return f"cut short after {heard!r}", 0
