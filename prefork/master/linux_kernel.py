"""The real kernel seam: every descriptor, process, signal and clock of the master. It decides nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import time
from functools import partial
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
from prefork.master.family import ended_children
from prefork.master.judges import Judges
from prefork.master.listeners import open_all
from prefork.master.poller import Poller
from prefork.master.processes import MoldProcess, OomKills, Process, WorkerProcess, cpu_ns, start_mold, starved_ns
from prefork.master.signals import SignalInbox, after_signals
from prefork.master.slots import Slots
from prefork.master.totals import totals_at_death
from prefork.policy.model import WorkerId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prefork.log import Sink
    from prefork.master.control import ControlServer
    from prefork.master.family import Family
    from prefork.master.listeners import Listener, Queue

_ONCE = select.EPOLLIN | select.EPOLLONESHOT


class LinuxKernel:
    """Callbacks of its one epoll turn readiness into facts. `close` leaves no process, descriptor or handler behind."""

    def __init__(self, listeners: Sequence[Listener], sink: Sink, family: Family) -> None:
        self.wakeups = 0
        self._poller = Poller()
        self.watch, self.unwatch = self._poller.watch, self._poller.unwatch  # also for the control socket
        self._slots = Slots()
        self._signals = SignalInbox()
        self._listeners = listeners
        self._sink = sink
        self._family = family
        self._molds: dict[int, MoldProcess] = {}
        self._workers: dict[WorkerId, WorkerProcess] = {}
        self._ids_by_pid: dict[int, WorkerId] = {}
        self._unborn: set[WorkerId] = set()
        self._strangers_wait = False
        self._oom = OomKills()
        self._facts: list[Fact] = []
        self._judges = Judges(self._poller, self._facts.append)
        self.judge, self.end_judge = self._judges.ask, self._judges.end
        self.control: ControlServer | None = None
        self.watch(self._signals.fd, select.EPOLLIN, self._signalled)

    # -- time and facts

    def now(self) -> int:
        return time.monotonic_ns()

    def wait(self, until: int | None) -> list[Fact]:
        if not self._facts:
            known = (until, self.control.next_deadline() if self.control is not None else None)
            self._poller.poll(min((each for each in known if each is not None), default=None))
            self.wakeups += 1
            if self._signals.came:  # while epoll was about to return: that is no event of this wait
                self._signalled(0)
        if self.control is not None:
            self._facts += self.control.asked
            self.control.asked.clear()
            self.control.expire(time.monotonic_ns())
        facts = sorted(self._facts, key=after_signals)
        self._facts.clear()
        return facts

    def _signalled(self, _mask: int) -> None:
        for fact in self._signals.drain():
            if fact.signum == signal.SIGCHLD:
                self._reap_children()
            else:
                self._facts.append(fact)

    # -- molds

    def start_mold(self, generation: int, settings: dict[str, Any]) -> None:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            self._facts.append(MoldExited(generation, f"could not be started: {error.strerror}"))
            return
        ours.setblocking(False)
        mold = MoldProcess(ours)
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
        lingering = self._molds.get(generation)
        if lingering is not None:
            lingering.signal(signal.SIGKILL)
        self._molds[generation] = mold
        assert mold.pid is not None
        assert mold.pidfd is not None
        self._family.founded(mold.pid)
        if mold.channel_open:
            self.watch(ours.fileno(), select.EPOLLIN, lambda mask: self._mold_moved(generation, mold, mask))
        self.watch(mold.pidfd, select.EPOLLIN, lambda _mask: self._mold_ended(generation, mold))

    def end_mold(self, generation: int, *, force: bool) -> None:
        if (mold := self._molds.get(generation)) is not None:
            self._hang_up(mold)
            if force:
                mold.signal(signal.SIGKILL)

    def mold_pid(self, generation: int) -> int | None:
        mold = self._molds.get(generation)
        return mold.pid if mold is not None else None

    def _mold_moved(self, generation: int, mold: MoldProcess, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._send_forks(mold)
        if mold.channel_open and mask & ~select.EPOLLOUT:
            self._mold_said(generation, mold)

    def _mold_said(self, generation: int, mold: MoldProcess) -> None:
        for record in self._records(mold, wire.FROM_MOLD):
            if isinstance(record, wire.ForkFailed):
                self._forget_unborn(WorkerId(record.worker), record.errno)
            elif self._molds.get(generation) is mold:
                self._facts.append(MoldSaid(generation, record))

    def _mold_ended(self, generation: int, mold: MoldProcess) -> None:
        if mold.channel_open:
            self._mold_said(generation, mold)
        pidfd = mold.pidfd
        status = mold.reap()
        if status is None or pidfd is None:
            return
        self._poller.forget(pidfd)
        self._hang_up(mold)
        for worker in [each for each in self._unborn if self._workers[each].mold is mold]:
            if self._workers[worker].doomed:  # no fork of it can come any more
                self._end_unborn(worker)
        if self._molds.get(generation) is mold:
            del self._molds[generation]
            self._facts.append(MoldExited(generation, str(status)))

    # -- workers

    def fork(self, worker: WorkerId, generation: int, words: Mapping[int, int]) -> None:
        mold = self._molds.get(generation)
        if mold is None or not mold.channel_open:
            self._facts.append(WorkerUnborn(worker, errno.ESRCH))
            return
        try:
            ours, theirs, dump = WorkerProcess.files(worker)
        except OSError as error:
            self._facts.append(WorkerUnborn(worker, error.errno or 0))
            return
        ours.setblocking(False)
        slot = self._slots.take(worker)
        for word, value in words.items():
            self._slots.write(slot, word, value)
        end = os.fstat(theirs.fileno()).st_ino
        self._workers[worker] = WorkerProcess(ours, mold=mold, slot=slot, dump=dump, end=end)
        self._unborn.add(worker)
        self.watch(ours.fileno(), select.EPOLLIN, lambda _mask: self._worker_said(worker))
        mold.unsent[worker] = theirs
        if len(mold.unsent) == 1:
            self._send_forks(mold)

    def _send_forks(self, mold: MoldProcess) -> None:
        """Send as many as the channel takes (278 fit); the rest when it has room again."""
        while mold.unsent:
            worker, theirs = next(iter(mold.unsent.items()))
            process = self._workers[worker]
            record = wire.pack(wire.Fork(worker, process.slot))
            try:
                socket.send_fds(mold.channel, [record], [theirs.fileno(), process.dump])
            except BlockingIOError:
                break
            except OSError as error:
                self._forget_unborn(worker, error.errno or 0)
            else:
                mold.unsent.pop(worker).close()
        wanted = select.EPOLLIN | select.EPOLLOUT if mold.unsent else select.EPOLLIN
        self._poller.change(mold.channel.fileno(), wanted)

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
        if process is None:
            return
        if process.pid is None and signum == signal.SIGKILL:
            process.doomed = True
            self._end_unborn(worker)
        else:
            process.signal(signum)

    def _end_unborn(self, worker: WorkerId) -> None:
        """End whatever is to become the worker. Its channel's end tells, or its mold's: that may be what hangs."""
        process = self._workers[worker]
        if not self._family.end_holders(process.end, self._ids_by_pid) and process.mold.pidfd is None:
            self._forget_unborn(worker, 0)

    def words(self, worker: WorkerId) -> list[int] | None:
        process = self._workers.get(worker)
        return self._slots.read(process.slot) if process is not None else None

    def pid(self, worker: WorkerId) -> int | None:
        process = self._workers.get(worker)
        return process.pid if process is not None else None

    def cpu(self, worker: WorkerId) -> int | None:
        return cpu_ns(self.pid(worker))

    def starved(self, worker: WorkerId) -> int | None:
        return starved_ns(self.pid(worker))

    def _worker_said(self, worker: WorkerId) -> None:
        process, awaited = self._workers[worker], worker in self._unborn
        for record in self._records(process, wire.FROM_WORKER):
            if isinstance(record, wire.Born) and not self._know(worker, process, record.pid):
                break
            self._facts.append(WorkerSaid(worker, record))
        if not process.channel_open and process.pid is None and worker in self._unborn:
            self._forget_unborn(worker, errno.ECHILD if process.mold.is_going else 0)
        elif awaited:
            self._look_again()  # it may have ended already, but not before what it said

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
        if process.doomed:
            process.signal(signal.SIGKILL)
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
        self._poller.forget(pidfd)
        self._hang_up(process)
        del self._ids_by_pid[pid]
        del self._workers[worker]
        words = self._slots.read(process.slot)
        self._slots.give_back(process.slot)
        oom = status.signal == signal.SIGKILL and self._oom.moved()
        fact = WorkerExited(worker, status.code, status.signal, oom, process.read_dump())
        held = words[wire.ACCEPTED] - words[wire.CLOSED]
        fact = fact._replace(accepted=words[wire.ACCEPTED], lost=max(0, held), dropped=words[wire.DROPPED])
        self._facts.append(fact._replace(totals=totals_at_death(words, time.monotonic_ns())))

    def _forget_unborn(self, worker: WorkerId, number: int) -> None:
        process = self._workers.pop(worker, None)
        if process is None:
            return
        self._unborn.discard(worker)
        unsent = process.mold.unsent.pop(worker, None)
        if unsent is not None:
            unsent.close()
        self._hang_up(process)
        os.close(process.dump)
        self._slots.give_back(process.slot)
        self._facts.append(WorkerUnborn(worker, number))
        self._look_again()

    # -- records and children

    def _records(self, process: Process, kinds: tuple[type, ...]) -> list[wire.Record]:
        """What can be read at once; at the channel's end it is hung up."""
        records, is_over = process.read(kinds)
        if is_over:
            self._hang_up(process)
        return records

    def _hang_up(self, process: Process) -> None:
        if process.channel_open:
            self.unwatch(process.channel.fileno())
            process.close_channel()
        if isinstance(process, MoldProcess):
            for worker in list(process.unsent):
                self._forget_unborn(worker, errno.ECHILD)

    def _look_again(self) -> None:
        if self._strangers_wait and not self._unborn:
            self._reap_children()

    def _reap_children(self) -> None:
        """Collect who ended; an unknown one may still be a worker whose Born is on its way."""
        self._strangers_wait = False
        for pid in ended_children():
            worker = self._ids_by_pid.get(pid)
            generation = next((key for key, each in self._molds.items() if each.pid == pid), None)
            if worker is not None:
                self._worker_ended(worker)
            elif generation is not None:
                self._mold_ended(generation, self._molds[generation])
            elif self._judges.collect(pid):
                pass
            elif self._unborn:
                self._strangers_wait = True
            elif self._family.reap(pid):
                self._facts.append(StrangerReaped(pid))

    # -- listeners and control

    def listen(self) -> list[str]:
        open_all(self._listeners)
        for index, each in enumerate(self._listeners):
            self.watch(each.socket.fileno(), _ONCE, partial(self._arrived, index))
        return [each.url for each in self._listeners]

    def queues(self) -> list[Queue]:
        return [listener.queue() for listener in self._listeners]

    def arm(self, listener: int) -> None:
        each = self._listeners[listener]
        if each.socket.fileno() >= 0 and not each.shut_down:
            self._poller.change(each.socket.fileno(), _ONCE)

    def _arrived(self, listener: int, _mask: int) -> None:
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
            process.destroy()
        self._judges.close()
        for worker in [*self._unborn]:
            self._family.end_holders(self._workers[worker].end, self._ids_by_pid)
            self._forget_unborn(worker, errno.ECHILD)
        for process in self._workers.values():
            os.close(process.dump)
        self._poller.close()
        self._slots.close()
        self._signals.close()
