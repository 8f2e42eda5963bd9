"""Which processes below this one are the pool's: whose exit the master may collect, whom it may end.

Theory. `prefork.serve` runs in a program that has children of its own, and their exits belong to that program. Every
process that a mold leaves behind, however deep, lives in the mold's session (unless it made a session of its own), and
no child that the program made in an ordinary way does. So an unknown child that ended is collected when its session is
a mold's. A master that is alone in its process collects everything: what exec found there has no other parent. A
program that is PID 1 has the orphans of its whole container: it collects those of every session but its own. A child
that was there before the pool is never collected. Source: setsid(2), PR_SET_CHILD_SUBREAPER in prctl(2), proc(5).
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator


class Family:
    """`alone`: this process is a master and nothing else."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._before = frozenset() if alone else frozenset(children())
        self._sessions: set[int] = set()

    def founded(self, mold: int) -> None:
        """The process `mold` leads a session of its own."""
        self._sessions.add(mold)

    def reap(self, pid: int) -> bool:
        """Collect the exit of a child that is neither worker nor mold, if that is ours to collect."""
        mine = self._alone or (pid not in self._before and self._left_behind(pid))
        if mine:
            with contextlib.suppress(ChildProcessError):  # another thread of the program's waited for it just now
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        return mine

    def _left_behind(self, pid: int) -> bool:
        session = _session(pid)
        return session in self._sessions or (os.getpid() == 1 and session != os.getsid(0))

    def end_holders(self, inode: int, workers: Container[int]) -> bool:
        """SIGKILL whoever of the molds' sessions holds the socket, but workers and molds; tell whether somebody did.

        Looked for until nobody new is found: one that was listed may have forked before it died.
        """
        ended: set[int] = set()
        while True:
            found = {pid for pid in self._below(os.getpid(), workers) if _holds(pid, inode)} - ended
            if not found:
                return bool(ended)
            for pid in found:
                _kill_holder(pid, inode)
            ended |= found

    def _below(self, parent: int, workers: Container[int]) -> Iterator[int]:
        for pid in children(parent):
            if pid in workers or _session(pid) not in self._sessions:
                continue
            if pid not in self._sessions:
                yield pid
            yield from self._below(pid, workers)


def children(parent: int | None = None) -> list[int]:
    """The pids of a process's children, by default this one's; empty where the kernel doesn't tell."""
    found: list[int] = []
    tasks = f"/proc/{parent or os.getpid()}/task"
    with contextlib.suppress(OSError):
        for task in os.listdir(tasks):
            with contextlib.suppress(OSError), open(f"{tasks}/{task}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    return found


def ended_children() -> Iterator[int]:
    """The children that ended: one after the other as they are collected, then those behind one that is not."""
    last = None
    while (pid := _ended(os.P_ALL)) is not None and pid != last:
        yield pid
        last = pid
    for each in children() if pid is not None else ():
        if each != pid and _ended(os.P_PID, each) is not None:
            yield each


def _ended(kind: int, of: int = 0) -> int | None:
    """The pid of such a child that ended, which stays to be collected."""
    try:
        found = os.waitid(kind, of, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found is not None else None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _holds(pid: int, inode: int) -> bool:
    """Whether the process has the socket open; False where it ended."""
    link = f"socket:[{inode}]"
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for name in names:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{name}") == link:
                return True
    return False


def _kill_holder(pid: int, inode: int) -> None:
    """End it if, seen through its pidfd, it is the one that holds the socket: a pid may have been used again."""
    with contextlib.suppress(OSError):
        pidfd = os.pidfd_open(pid)
        try:
            if _holds(pid, inode):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)
