"""Processes as the kernel seam holds them: how a mold is started, how a worker or mold is signalled and reaped.

Theory. A pid is only ever used to open a pidfd, while the process can't have been reaped by anyone but us; from then on
signals and reaping go through the pidfd, so that a reused pid is never hit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork import wire
from prefork.master.facts import signal_name

if TYPE_CHECKING:
    from prefork.policy.model import WorkerId

_CHANNEL_IN_MOLD = 3
_DUMP_LIMIT = 64 * 1024
_RECORDS_A_TURN = 64
_A_LINE = 256
"""Bytes, more than the line of a schedstat has."""


class Status(NamedTuple):
    """How a process ended: exactly one is set."""

    code: int | None
    signal: int | None

    def __str__(self) -> str:
        return f"exit code {self.code}" if self.signal is None else signal_name(self.signal)


@dataclass(slots=True, eq=False)
class Child:
    """A child of the master. `pid` and `pidfd` are None until it is known."""

    pid: int | None = field(default=None, kw_only=True)
    pidfd: int | None = field(default=None, kw_only=True)

    def know(self, pid: int) -> None:
        """Open the pidfd. Raises ProcessLookupError when there is no such child any more."""
        self.pidfd = os.pidfd_open(pid)
        self.pid = pid

    def signal(self, signum: int) -> None:
        """Send; nothing happens where it is gone."""
        if self.pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signum)

    def reap(self) -> Status | None:
        """Collect the exit; None: it still runs. After that the pidfd is closed and the pid forgotten."""
        if self.pidfd is None:
            return None
        try:
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:  # somebody else in this process waited for all children
            status = Status(None, signal.SIGKILL)
        else:
            if result is None:
                return None
            exited = result.si_code == os.CLD_EXITED
            status = Status(result.si_status, None) if exited else Status(None, result.si_status)
        os.close(self.pidfd)
        self.pid = self.pidfd = None
        return status

    def destroy(self) -> None:
        """Kill it, wait for that, and forget it."""
        self.signal(signal.SIGKILL)
        if self.pidfd is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
            os.close(self.pidfd)


@dataclass(slots=True, eq=False)
class Process(Child):
    """A child with a channel to it."""

    channel: socket.socket
    channel_open: bool = True

    def destroy(self) -> None:
        """Kill it, wait for that, and forget it."""
        Child.destroy(self)
        self.close_channel()

    def read(self, kinds: tuple[type, ...]) -> tuple[list[wire.Record], bool]:
        """The records of these kinds that can be read at once, and whether the channel is over (b"", ECONNRESET)."""
        records: list[wire.Record] = []
        for _ in range(_RECORDS_A_TURN):
            try:
                raw = self.channel.recv(wire.MAX_RECORD)
            except BlockingIOError:
                break
            except OSError:
                raw = b""
            if not raw:
                return records, True
            with contextlib.suppress(wire.WireError):  # the user's code wrote to a descriptor that isn't its own
                record = wire.unpack(raw)
                if isinstance(record, kinds):
                    records.append(record)
        return records, False

    def close_channel(self) -> None:
        """The other side reads EOF."""
        if self.channel_open:
            self.channel_open = False
            self.channel.close()


@dataclass(slots=True, eq=False)
class MoldProcess(Process):
    """A mold: also the FORKs that its channel has not taken yet."""

    unsent: dict[WorkerId, socket.socket] = field(default_factory=dict)
    """The workers' channel ends, oldest first."""

    @property
    def is_going(self) -> bool:
        """Its channel has ended: in a process that dies, before the descriptors that it was to hand on."""
        if not self.channel_open:
            return True
        try:
            return not self.channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True


@dataclass(slots=True, eq=False)
class WorkerProcess(Process):
    """A worker: also its slot, the memory file that takes its stacks, and the mold that was asked for it."""

    mold: MoldProcess = field(kw_only=True)
    slot: int = field(kw_only=True)
    dump: int = field(kw_only=True)
    end: int = field(kw_only=True)
    """Inode of the socket that is the worker's end of the channel."""
    doomed: bool = False
    """SIGKILL was ordered before its pid was known."""

    @staticmethod
    def files(worker: WorkerId) -> tuple[socket.socket, socket.socket, int]:
        """Both ends of a newcomer's channel, the master's first, and its dump. Raises OSError, having opened none."""
        dump = os.memfd_create(f"prefork-dump-{worker}", os.MFD_CLOEXEC)
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            os.close(dump)
            raise
        return ours, theirs, dump

    def read_dump(self) -> str:
        """What faulthandler wrote, at most 64 KiB; the file is closed afterwards."""
        text = os.pread(self.dump, _DUMP_LIMIT, 0).decode("utf-8", "replace")
        os.close(self.dump)
        return once(text)


def once(dump: str) -> str:
    """Of a worker that was told to dump and then to abort: the second stack, only where it is another."""
    first, fatal, second = dump.partition("Fatal Python error: ")
    why, _, stack = second.partition("\n\n")
    if not fatal or stack.partition("\n\n")[0].strip() != first.strip():
        return dump
    return f"{first.rstrip()}\n\n{fatal}{why}, at the same lines\n" + stack.partition("\n\n")[2]


def start_mold(channel: socket.socket) -> int:
    """Start `python -m prefork.mold` in a session of its own with `channel` alone; returns its pid. Raises OSError.

    posix_spawn, since the caller of `prefork.serve` may have threads; in a session of its own, so that Ctrl-C reaches
    the master alone; exec, so that close-on-exec keeps every worker's channel out of it.
    """
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001
    argv = [sys.executable, *flags, "-P", "-m", "prefork.mold", str(_CHANNEL_IN_MOLD)]
    return os.posix_spawn(
        sys.executable,
        argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, channel.fileno(), _CHANNEL_IN_MOLD),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def cpu_ns(pid: int | None) -> int | None:
    """CPU time that the process has burnt; None where there is none, or no longer.

    Source: clock_getcpuclockid(3), whose clock id is the pid's complement, shifted by 3, and CPUCLOCK_SCHED (2).
    """
    try:
        return None if pid is None else time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return None


def starved_ns(pid: int | None) -> int | None:
    """Time for which the process's main thread could have run and had no CPU; None where it is gone, or not told.

    Source: Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat: time on the CPU, time on a run queue, slices.
    """
    try:
        with open(f"/proc/{pid}/schedstat", "rb", buffering=0) as told:
            return int(told.read(_A_LINE).split()[1])
    except (OSError, IndexError):
        return None


class OomKills:
    """The cgroup's count of processes killed for memory, as it was when last looked at."""

    def __init__(self) -> None:
        self._seen = _oom_kills()

    def moved(self) -> bool:
        """Whether it has grown since the last look; False where it is unknown."""
        before, self._seen = self._seen, _oom_kills()
        return before is not None and self._seen is not None and self._seen > before


def _oom_kills() -> int | None:
    """None where there is no cgroup v2."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").rpartition("::")[2].strip()
        events = Path(f"/sys/fs/cgroup{group}/memory.events").read_text(encoding="ascii")
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None
