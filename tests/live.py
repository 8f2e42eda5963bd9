"""Short words for tests of live pools; every wait has a deadline."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

from prefork import PoolConfig
from prefork.policy.model import Phase, PoolView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]


def static(workers: int, **more: object) -> PoolConfig:
    """So many workers."""
    return PoolConfig.model_validate({"sizing": {"kind": "static", "workers": workers}, **more})


def serving(view: PoolView) -> int:
    """How many workers serve."""
    return sum(worker.phase is Phase.SERVING for worker in view.workers)


def sessions(view: PoolView) -> int:
    """How many sessions are held."""
    return sum(worker.sessions for worker in view.workers)


def looks(pool: LivePool, until: Callable[[PoolView], bool], timeout: float = 10.0) -> Iterator[PoolView]:
    """One view after the other, up to and with the first of which `until` is true. Raises TimeoutError."""
    end = time.monotonic() + timeout
    while not until(view := pool.view()):
        yield view
        if time.monotonic() > end:
            raise TimeoutError(f"not true within {timeout} s of {view}; the log:\n{pool.log}")
        select.select([], [], [], 0.002)
    yield view


def watch_ends(pids: Iterable[int]) -> dict[int, int]:
    """A pidfd of each process, by pid; `gone_after` closes them."""
    return {pid: os.pidfd_open(pid) for pid in pids}


def gone_after(pidfds: dict[int, int], timeout: float) -> float:
    """Wait until all are gone; how many seconds that took. Raises TimeoutError with the pids of those still there."""
    began = time.monotonic()
    left = dict(pidfds)
    try:
        while left:
            ready, _, _ = select.select([*left.values()], [], [], max(0.0, began + timeout - time.monotonic()))
            if not ready:
                raise TimeoutError(f"still there after {timeout} s: {[*left]}")
            left = {pid: fd for pid, fd in left.items() if fd not in ready}
    finally:
        for fd in pidfds.values():
            os.close(fd)
    return time.monotonic() - began
