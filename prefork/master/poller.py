"""One epoll, and what is called when a descriptor of it is ready."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_WAIT_S = 3600.0
"""epoll takes 24 days at most; a look too early is harmless."""


class Poller:
    """Calls `callback(mask)` for each descriptor that is ready, from within `poll`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        """Call `callback(mask)` when `fd` is ready; a mask of 0 waits for `change`."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        """Watch `fd` for something else; nothing happens where it isn't watched."""
        if fd in self._callbacks:
            self._epoll.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        """Stop watching; nothing happens where it isn't watched."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        """`fd` is closed already, which took it out of the epoll."""
        self._callbacks.pop(fd, None)

    def poll(self, until: int | None) -> None:
        """Wait until something is ready or `until` (monotonic ns) has come, and call back."""
        timeout = None if until is None else min(_LONGEST_WAIT_S, max(0.0, (until - time.monotonic_ns()) / 1e9))
        for fd, mask in self._epoll.poll(timeout):
            callback = self._callbacks.get(fd)
            if callback is not None:
                callback(mask)

    def close(self) -> None:
        """Close the epoll."""
        self._epoll.close()
