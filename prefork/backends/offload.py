"""Threads of a worker that run what sessions offload. What a thread has finished is posted to the session's loop.

Theory. A thread touches nothing of a loop's but `post`. The threads are made when the first session offloads, since
importing and starting them costs a megabyte. They are not waited for at the end: the worker leaves by `os._exit`, after
the drain has waited for sessions.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
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


class OffloadThreads:
    """The threads of one worker, from the first job on; a loop may have its own kind."""

    __slots__ = ("_pool",)

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def run(self, job: Job, post: Callable[..., None]) -> None:
        """Run the job in the next thread that is free, then `post(job.finished, result, error)`."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - paid for by who offloads

            self._pool = ThreadPoolExecutor(most_threads(), "prefork-offload")
        self._pool.submit(work, job, post)


def most_threads() -> int:
    """As many threads as a worker has for what is offloaded."""
    return min(MOST_THREADS, len(os.sched_getaffinity(0)) + SPARE_THREADS)


def work(job: Job, post: Callable[..., None]) -> None:
    """In a thread: run the job, and post what came of it."""
    result: object = None
    error: BaseException | None = None
    try:
        result = job.fn()
    except BaseException as raised:  # noqa: BLE001 - told on the loop
        error = raised
    post(job.finished, result, error)
