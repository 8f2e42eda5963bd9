"""Threads of a worker that run what sessions offload; results come back through a queue that the loop empties.

Theory. A thread touches nothing of the loop's: it appends what it has finished to a deque and wakes the loop by a byte
in its pipe. The threads are made when the first session offloads, since importing and starting them costs a megabyte.
They are not waited for at the end: the worker leaves by `os._exit`, after the drain has waited for sessions.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 32
SPARE_THREADS = 4
"""More than the cores: what is offloaded mostly waits."""


class Job(ABC):
    """One function to run in a thread."""

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[], object]) -> None:
        self.fn = fn

    @abstractmethod
    def finished(self, result: object, error: BaseException | None) -> None:
        """On the loop: it returned `result`, or raised `error`."""


class Threads:
    """The threads of one loop. `wake()` makes the loop turn, from any thread."""

    __slots__ = ("_closed", "_lock", "_pool", "_wake", "finished")

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._pool: ThreadPoolExecutor | None = None
        self._lock = Lock()
        self._closed = False
        self.finished: deque[tuple[Job, object, BaseException | None]] = deque()
        """Not yet taken in. Threads only append."""

    def run(self, job: Job) -> None:
        """Run the job in the next thread that is free."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - paid for by who offloads

            cores = len(os.sched_getaffinity(0))
            self._pool = ThreadPoolExecutor(min(MOST_THREADS, cores + SPARE_THREADS), "prefork-offload")
        self._pool.submit(self._work, job)

    def take_in(self) -> None:
        """On the loop: hand over what is finished."""
        for _ in range(len(self.finished)):
            job, result, error = self.finished.popleft()
            job.finished(result, error)

    def close(self) -> None:
        """From now on nothing wakes the loop: its pipe is about to be closed, and the descriptor used again."""
        with self._lock:
            self._closed = True

    def _work(self, job: Job) -> None:
        """In a thread."""
        result: object = None
        error: BaseException | None = None
        try:
            result = job.fn()
        except BaseException as raised:  # noqa: BLE001 - told on the loop
            error = raised
        self.finished.append((job, result, error))
        with self._lock:
            if not self._closed:
                self._wake()
