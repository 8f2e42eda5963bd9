"""The children that read a config for a master, as the kernel seam holds them; `judge` is their program.

Theory. A judge has one memory file, its stdin: there is the question, a JSON object, and behind it, when it has ended
well, the answer, a pickle. So neither of the two ever waits for the other to read or write, and there is one thing to
know of a judge: its end. A reload has the loop wait for that; a start, before anything serves, waits here.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.errors import ConfigError, PreforkError
from prefork.master.facts import Judged
from prefork.master.handover import command
from prefork.master.processes import Child, Status
from prefork.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.master.poller import Poller
    from prefork.policy.config import PoolConfig

PATIENCE_S = 30.0
"""A file that isn't read by then is on a disk that hangs, or a pipe that nobody writes to."""


class OverdueError(ConfigError):
    """A judge has not ended in PATIENCE_S."""

    def __init__(self) -> None:
        super().__init__(f"what reads the config took longer than {PATIENCE_S:g} s: look at its files and their disk")


@dataclass(slots=True, eq=False)
class Judge(Child):
    """One that was asked."""

    file: int
    """Its memory file."""
    asked: int
    """Bytes of the question."""

    def answer(self, status: Status) -> Any:  # noqa: ANN401 - what was asked for, or a PreforkError
        """What it left when it ended so; the file is closed afterwards."""
        left = os.pread(self.file, os.fstat(self.file).st_size, self.asked)
        os.close(self.file)
        if status != Status(0, None) or not left:
            return ConfigError(f"what reads the config has ended ({status}): what it said is in the log")
        return pickle.loads(left)  # noqa: S301 - of our own child

    def destroy(self) -> None:
        """Kill it, wait for that, and forget it."""
        Child.destroy(self)
        os.close(self.file)


class Judges:
    """Those of a master that runs, on its epoll; `tell` gets the fact of each one's end."""

    def __init__(self, poller: Poller, tell: Callable[[Judged], None]) -> None:
        self._poller = poller
        self._tell = tell
        self._running: dict[int, Judge] = {}

    def ask(self, number: int, question: dict[str, Any]) -> None:
        """Kernel.judge."""
        try:
            judge = asked(question)
        except ConfigError as error:
            self._tell(Judged(number, error))
            return
        self._running[number] = judge
        assert judge.pidfd is not None
        self._poller.watch(judge.pidfd, select.EPOLLIN, lambda _mask: self._ended(number))

    def end(self, number: int) -> None:
        """Kernel.end_judge."""
        if (judge := self._running.get(number)) is not None:
            judge.signal(signal.SIGKILL)

    def collect(self, pid: int) -> bool:
        """Whether the child that ended is one of them; then that is seen to."""
        number = next((key for key, each in self._running.items() if each.pid == pid), None)
        if number is not None:
            self._ended(number)
        return number is not None

    def _ended(self, number: int) -> None:
        judge = self._running[number]
        pidfd, status = judge.pidfd, judge.reap()
        if status is None or pidfd is None:
            return
        self._poller.forget(pidfd)
        del self._running[number]
        self._tell(Judged(number, judge.answer(status)))

    def close(self) -> None:
        """None is left running."""
        for judge in self._running.values():
            judge.destroy()


def read_policy(file: str) -> PoolConfig:
    """The [pool] table of a shadow's file; its judge is waited for. Raises ConfigError."""
    judge = asked({"shadow": file})
    assert judge.pidfd is not None
    waiter = select.poll()
    waiter.register(judge.pidfd, select.POLLIN)
    status = judge.reap() if waiter.poll(PATIENCE_S * 1000) else None
    if status is None:
        judge.destroy()
        raise OverdueError
    answer: PoolConfig | PreforkError = judge.answer(status)
    if isinstance(answer, PreforkError):
        raise answer
    return answer


def asked(question: dict[str, Any]) -> Judge:
    """A judge of this question, in a session of its own, so that Ctrl-C leaves it to the master. Raises ConfigError."""
    text = json.dumps(question | {"version": VERSION, "asker": os.getpid()}).encode()
    try:
        file = os.memfd_create("prefork-question")
    except OSError as error:
        raise _no_judge(error) from None
    try:
        os.pwrite(file, text, 0)
        pid = os.posix_spawn(
            sys.executable,
            command("prefork.master.judge"),
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, file, 0)],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
    except OSError as error:
        os.close(file)
        raise _no_judge(error) from None
    judge = Judge(file, len(text))
    try:
        judge.know(pid)
    except OSError as error:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(file)
        raise _no_judge(error) from None
    return judge


def _no_judge(error: OSError) -> ConfigError:
    return ConfigError(f"what reads the config can't be started: {error.strerror}")
