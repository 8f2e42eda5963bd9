"""The master's signals: kept as counts by handlers that do nothing else, with a pipe that wakes the loop.

The bytes in the pipe are never counted: `set_wakeup_fd` drops them silently when it is full (278 of 5,000 were kept).
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from prefork.errors import PreforkError
from prefork.master.facts import Signalled

if TYPE_CHECKING:
    from types import FrameType

OPERATORS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


def hold_signals() -> None:
    """Block the operator's signals: they wait until a SignalInbox, or the end of the program."""
    signal.pthread_sigmask(signal.SIG_BLOCK, OPERATORS)


def after_signals(fact: object) -> bool:
    """Sorts the operator's word first: who stops a pool doesn't want it to listen in the same breath."""
    return not isinstance(fact, Signalled)


class SignalInbox:
    """Installed from construction to `close`, which restores every handler and the mask that it found.

    Signals that came while they were blocked come now. A program of prefork's own has them blocked before and, by that,
    again afterwards: one that comes in the first or the last moment changes no exit code.
    """

    def __init__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise PreforkError("serve: it must be called in the main thread, since only that one gets signals")
        self._counts: Counter[int] = Counter()
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before: dict[int, Any] = {each: signal.signal(each, self._note) for each in (*OPERATORS, signal.SIGCHLD)}
        self._mask_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, OPERATORS)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self._counts[signum] += 1

    @property
    def came(self) -> bool:
        """There is something to drain."""
        return bool(self._counts)

    def drain(self) -> list[Signalled]:
        """What came since the last call, by signal number; the pipe is empty afterwards."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            pass
        counts, self._counts = self._counts, Counter()
        return [Signalled(signum, times) for signum, times in sorted(counts.items())]

    def close(self) -> None:
        """Restore."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask_before)
        for signum, handler in self._before.items():
            signal.signal(signum, handler if handler is not None else signal.SIG_DFL)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._write)
