"""What wakes a loop where it waits: a pipe, to which the kernel writes for signals, and other threads when they post.

Theory. A byte is written only while the loop waits: in a turn it looks again before it does. `sleeps` falls before the
byte is written, so who finds it fallen knows that a byte is on its way, or that the loop is awake.
"""

from __future__ import annotations

import contextlib
import os
import signal
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Wakeup:
    """One loop's."""

    __slots__ = ("_lock", "_write", "came", "fd", "sleeps")

    def __init__(self) -> None:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        """`fd`: readable when there is something to `take`."""
        self._lock = Lock()
        self.came: set[int] = set()
        """Signals that were caught and not taken."""
        self.sleeps = True
        """Nobody has woken the loop since its last turn."""

    def catch(self, signums: Iterable[int]) -> None:
        """Catch these signals from now on; any that is handled in Python wakes."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for signum in signums:
            signal.signal(signum, self._caught)

    def wake(self) -> None:
        """Make the loop turn, where it waits; from any thread, at any time."""
        if self.sleeps:
            self.sleeps = False
            with self._lock, contextlib.suppress(BlockingIOError):  # bytes enough wait there
                if self._write >= 0:
                    os.write(self._write, b"\0")

    def take(self) -> list[int]:
        """Return the signals that came, each once, and empty the pipe; what is left of more makes another turn."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)
        came, self.came = self.came, set()
        return sorted(came)

    def close(self) -> None:
        """Catch nothing more; threads may still call `wake`."""
        signal.set_wakeup_fd(-1)
        with self._lock:  # or a thread would write into whatever has the number next
            write, self._write = self._write, -1
        for fd in (self.fd, write):
            os.close(fd)

    def _caught(self, signum: int, _frame: Any) -> None:  # noqa: ANN401 - Python's own signature
        self.came.add(signum)
