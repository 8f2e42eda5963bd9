"""The real kernel seam: every descriptor, process, signal and clock of the master. It decides nothing.

Each method of `kernel.Kernel` is here under its heading; callbacks of the one epoll turn readiness into facts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from prefork import wire
from prefork.master.facts import (
    Fact,
    ListenerReadable,
    MoldExited,
    MoldSaid,
    StrangerReaped,
    WorkerExited,
    WorkerSaid,
    WorkerUnborn,
)
from prefork.master.processes import Process, Status, WorkerProcess, cpu_ns, oom_kills, start_mold
from prefork.master.signals import SignalInbox
from prefork.master.slots import Slots
from prefork.policy.model import WorkerId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prefork.log import Sink
    from prefork.master.control import ControlServer
    from prefork.master.listeners import Listener, Queue

_RECORDS_A_TURN = 64
_LONGEST_WAIT_S = 3600.0
"""epoll takes 24 days at most; a look too early is harmless."""


class LinuxKernel:
    """The real one. `close` leaves nothing behind: no process, no descriptor, no handler."""

    def __init__(self, listeners: Sequence[Listener], sink: Sink) -> None:
        self.wakeups = 0
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._slots = Slots()
        self._signals = SignalInbox()
        self._listeners = listeners
        self._sink = sink
        self._molds: dict[int, Process] = {}
        self._workers: dict[WorkerId, WorkerProcess] = {}
        self._ids_by_pid: dict[int, WorkerId] = {}
        self._unborn: set[WorkerId] = set()
        self._strangers_wait = False
        self._oom_kills = oom_kills()
        self._facts: list[Fact] = []
        self.control: ControlServer | None = None
        self.watch(self._signals.fd, select.EPOLLIN, self._signalled)
        for index, listener in enumerate(listeners):
            self._callbacks[listener.socket.fileno()] = lambda _mask, index=index: self._arrived(index)  # type: ignore[misc]
            self._epoll.register(listener.socket.fileno(), 0)

    # -- time and facts

    def now(self) -> int:
        return time.monotonic_ns()

    def watch(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        """Call `callback(mask)` from within `wait`."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, mask)

    def unwatch(self, fd: int) -> None:
        """Stop watching; nothing happens where it isn't watched."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def wait(self, until: int | None) -> list[Fact]:
        if not self._facts:
            ready = self._epoll.poll(self._timeout(until))
            self.wakeups += 1
            for fd, mask in ready:
                callback = self._callbacks.get(fd)
                if callback is not None:
                    callback(mask)
        if self.control is not None:
            self._facts += self.control.asked
            self.control.asked.clear()
            self.control.expire(time.monotonic_ns())
        facts, self._facts = self._facts, []
        return facts

    def _timeout(self, until: int | None) -> float | None:
        deadlines = [until, self.control.next_deadline() if self.control is not None else None]
        known = [deadline for deadline in deadlines if deadline is not None]
        return min(_LONGEST_WAIT_S, max(0.0, (min(known) - time.monotonic_ns()) / 1e9)) if known else None

    def _signalled(self, _mask: int) -> None:
        for fact in self._signals.drain():
            if fact.signum == signal.SIGCHLD:
                self._reap_strangers()
            else:
                self._facts.append(fact)

    # -- molds

    def start_mold(self, generation: int, settings: dict[str, Any]) -> None:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            self._facts.append(MoldExited(generation, f"could not be started: {error.strerror}"))
            return
        mold = Process(ours)
        fds = [self._slots.fd, self._sink.fd, *(listener.socket.fileno() for listener in self._listeners)]
        try:
            with theirs:
                mold.know(start_mold(theirs))
            socket.send_fds(ours, [wire.pack(wire.Start(settings))], fds)
        except OSError as error:
            mold.close_channel()
            mold.signal(signal.SIGKILL)
            if mold.pidfd is None:
                self._facts.append(MoldExited(generation, f"could not be started: {error.strerror}"))
                return
        ours.setblocking(False)
        lingering = self._molds.get(generation)
        if lingering is not None:
            lingering.signal(signal.SIGKILL)
        self._molds[generation] = mold
        if mold.channel_open:
            self.watch(ours.fileno(), select.EPOLLIN, lambda _mask: self._mold_said(generation, mold))
        assert mold.pidfd is not None
        self.watch(mold.pidfd, select.EPOLLIN, lambda _mask: self._mold_ended(generation, mold))

    def end_mold(self, generation: int, *, force: bool) -> None:
        mold = self._molds.get(generation)
        if mold is None:
            return
        self._hang_up(mold)
        if force:
            mold.signal(signal.SIGKILL)

    def mold_pid(self, generation: int) -> int | None:
        mold = self._molds.get(generation)
        return mold.pid if mold is not None else None

    def _mold_said(self, generation: int, mold: Process) -> None:
        for record in self._records(mold, wire.FROM_MOLD):
            if isinstance(record, wire.ForkFailed):
                self._forget_unborn(WorkerId(record.worker), record.errno)
            elif self._molds.get(generation) is mold:
                self._facts.append(MoldSaid(generation, record))

    def _mold_ended(self, generation: int, mold: Process) -> None:
        if mold.channel_open:
            self._mold_said(generation, mold)
        pidfd = mold.pidfd
        status = mold.reap()
        if status is None or pidfd is None:
            return
        self._callbacks.pop(pidfd, None)
        self._hang_up(mold)
        if self._molds.get(generation) is mold:
            del self._molds[generation]
            self._facts.append(MoldExited(generation, str(status)))

    def _mold_is_going(self, generation: int) -> bool:
        """Its channel has ended: in a process that dies, before the descriptors that it was to hand on."""
        mold = self._molds.get(generation)
        if mold is None or not mold.channel_open:
            return True
        try:
            return not mold.channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    # -- workers

    def fork(self, worker: WorkerId, generation: int, words: Mapping[int, int]) -> None:
        mold = self._molds.get(generation)
        if mold is None or not mold.channel_open:
            self._facts.append(WorkerUnborn(worker, errno.ESRCH))
            return
        slot = self._slots.take(worker)
        for word, value in words.items():
            self._slots.write(slot, word, value)
        with contextlib.ExitStack() as undo:
            undo.callback(self._slots.give_back, slot)
            try:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                undo.callback(ours.close)
                with theirs:
                    dump = os.memfd_create(f"prefork-dump-{worker}", os.MFD_CLOEXEC)
                    undo.callback(os.close, dump)
                    socket.send_fds(mold.channel, [wire.pack(wire.Fork(worker, slot))], [theirs.fileno(), dump])
            except OSError as error:
                self._facts.append(WorkerUnborn(worker, error.errno or 0))
                return
            undo.pop_all()
        ours.setblocking(False)
        self._workers[worker] = WorkerProcess(ours, slot=slot, dump=dump, generation=generation)
        self._unborn.add(worker)
        self.watch(ours.fileno(), select.EPOLLIN, lambda _mask: self._worker_said(worker))

    def tell(self, worker: WorkerId, wanted: int, drain_by: int) -> None:
        process = self._workers.get(worker)
        if process is not None:
            self._slots.write(process.slot, wire.DRAIN_BY, drain_by)
            self._slots.write(process.slot, wire.WANTED, wanted)
            self.ring(worker)

    def ring(self, worker: WorkerId) -> None:
        process = self._workers.get(worker)
        if process is not None and process.channel_open:
            with contextlib.suppress(OSError):  # full: doorbells enough wait there; gone: the pidfd will tell
                process.channel.send(wire.pack(wire.Bell()))

    def signal(self, worker: WorkerId, signum: int) -> None:
        process = self._workers.get(worker)
        if process is not None and process.pid is None and signum == signal.SIGKILL:
            self._forget_unborn(worker, 0)  # its mold is stuck: when it is born after all, it reads EOF
        elif process is not None:
            process.signal(signum)

    def words(self, worker: WorkerId) -> list[int] | None:
        process = self._workers.get(worker)
        return self._slots.read(process.slot) if process is not None else None

    def pid(self, worker: WorkerId) -> int | None:
        process = self._workers.get(worker)
        return process.pid if process is not None else None

    def cpu(self, worker: WorkerId) -> int | None:
        pid = self.pid(worker)
        return cpu_ns(pid) if pid is not None else None

    def _worker_said(self, worker: WorkerId) -> None:
        process = self._workers[worker]
        for record in self._records(process, wire.FROM_WORKER):
            if isinstance(record, wire.Born) and not self._know(worker, process, record.pid):
                break
            self._facts.append(WorkerSaid(worker, record))
        if not process.channel_open and process.pid is None and worker in self._unborn:
            self._forget_unborn(worker, errno.ECHILD if self._mold_is_going(process.generation) else 0)

    def _know(self, worker: WorkerId, process: WorkerProcess, pid: int) -> bool:
        if worker not in self._unborn:
            return True
        try:
            process.know(pid)
        except (OSError, OverflowError) as error:
            self._forget_unborn(worker, getattr(error, "errno", None) or 0)
            return False
        self._unborn.discard(worker)
        self._ids_by_pid[pid] = worker
        assert process.pidfd is not None
        self.watch(process.pidfd, select.EPOLLIN, lambda _mask: self._worker_ended(worker))
        self._look_again()
        return True

    def _worker_ended(self, worker: WorkerId) -> None:
        process = self._workers.get(worker)
        if process is None:
            return
        if process.channel_open:
            self._worker_said(worker)
        pid, pidfd = process.pid, process.pidfd
        status = process.reap()
        if status is None or pid is None or pidfd is None:
            return
        self._callbacks.pop(pidfd, None)
        self._hang_up(process)
        del self._ids_by_pid[pid]
        del self._workers[worker]
        words = self._slots.read(process.slot)
        self._slots.give_back(process.slot)
        fact = WorkerExited(worker, status.code, status.signal, self._was_oom(status), process.read_dump())
        held = words[wire.ACCEPTED] - words[wire.CLOSED]
        self._facts.append(fact._replace(accepted=words[wire.ACCEPTED], lost=max(0, held)))

    def _was_oom(self, status: Status) -> bool:
        if status.signal != signal.SIGKILL:
            return False
        before, self._oom_kills = self._oom_kills, oom_kills()
        return before is not None and self._oom_kills is not None and self._oom_kills > before

    def _forget_unborn(self, worker: WorkerId, number: int) -> None:
        process = self._workers.pop(worker, None)
        if process is None:
            return
        self._unborn.discard(worker)
        self._hang_up(process)
        os.close(process.dump)
        self._slots.give_back(process.slot)
        self._facts.append(WorkerUnborn(worker, number))
        self._look_again()

    # -- records and children

    def _records(self, process: Process, kinds: tuple[type, ...]) -> list[wire.Record]:
        """What can be read at once, of these kinds; at the channel's end (b"", ECONNRESET) it is hung up."""
        records: list[wire.Record] = []
        for _ in range(_RECORDS_A_TURN):
            try:
                raw = process.channel.recv(wire.MAX_RECORD)
            except BlockingIOError:
                break
            except OSError:
                raw = b""
            if not raw:
                self._hang_up(process)
                break
            with contextlib.suppress(wire.WireError):  # the user's code wrote to a descriptor that isn't its own
                record = wire.unpack(raw)
                if isinstance(record, kinds):
                    records.append(record)
        return records

    def _hang_up(self, process: Process) -> None:
        if process.channel_open:
            self.unwatch(process.channel.fileno())
            process.close_channel()

    def _look_again(self) -> None:
        if self._strangers_wait and not self._unborn:
            self._reap_strangers()

    def _reap_strangers(self) -> None:
        """Peek at the children that ended; an unknown one may still be a worker whose Born is on its way."""
        self._strangers_wait = False
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            worker = self._ids_by_pid.get(found.si_pid)
            generation = next((key for key, each in self._molds.items() if each.pid == found.si_pid), None)
            if worker is not None:
                self._worker_ended(worker)
            elif generation is not None:
                self._mold_ended(generation, self._molds[generation])
            elif self._unborn:
                self._strangers_wait = True
                return
            else:
                with contextlib.suppress(ChildProcessError):  # another thread of the caller's waited for it just now
                    os.waitid(os.P_PID, found.si_pid, os.WEXITED | os.WNOHANG)
                self._facts.append(StrangerReaped(found.si_pid))

    # -- listeners and control

    def queues(self) -> list[Queue]:
        return [listener.queue() for listener in self._listeners]

    def arm(self, listener: int) -> None:
        sock = self._listeners[listener].socket
        if sock.fileno() >= 0 and not self._listeners[listener].shut_down:
            self._epoll.modify(sock.fileno(), select.EPOLLIN | select.EPOLLONESHOT)

    def _arrived(self, listener: int) -> None:
        self._facts.append(ListenerReadable(listener))

    def seal(self) -> None:
        for listener in self._listeners:
            listener.seal()

    def shut(self) -> None:
        for listener in self._listeners:
            self.unwatch(listener.socket.fileno())  # a socket that is shut down is always readable
            listener.shut()

    def reply(self, client: int, answer: dict[str, Any]) -> None:
        if self.control is not None:
            self.control.reply(client, answer)

    def close(self) -> None:
        """End what is left: after an orderly stop nothing is, after a bug all of it is killed and reaped."""
        if self.control is not None:
            self.control.close()
        for process in (*self._workers.values(), *self._molds.values()):
            process.signal(signal.SIGKILL)
            process.close_channel()
            if process.pidfd is not None:
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)
                os.close(process.pidfd)
        for worker in self._workers.values():
            os.close(worker.dump)
        self._epoll.close()
        self._slots.close()
        self._signals.close()
