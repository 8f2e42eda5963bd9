"""A kernel without processes: a clock that jumps from event to event, and workers made of the real Gate.

Theory. Everything that happens is an event on one heap, ordered by instant and then by the order in which it was
planned, so a run is the same each time. `wait` performs events until one is a fact, or `until` has come. It keeps the
same clauses as the real kernel (tests/contract/test_kernel.py runs over both); what it can't show is what Linux may
refuse.
"""

from __future__ import annotations

import errno
import heapq
import signal
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from prefork import wire
from prefork.backends.gate import Gate
from prefork.errors import ConfigError, PreforkError
from prefork.master.facts import (
    Fact,
    Judged,
    ListenerReadable,
    MoldExited,
    MoldSaid,
    WorkerExited,
    WorkerSaid,
    WorkerUnborn,
)
from prefork.master.listeners import Queue
from prefork.master.totals import totals_at_death

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prefork.master.facts import ConfigRead
    from prefork.policy.model import WorkerId

MS = 1_000_000
FOREVER = 1 << 62
FIRST_PID = 1000


@dataclass(slots=True)
class FakeWorker:
    """A worker's process: its words, its gate, its sessions' ends."""

    id: WorkerId
    pid: int
    words: list[int]
    gate: Gate
    mold: FakeMold
    born: bool = False
    ready: bool = False
    stuck: bool = False
    """Nothing of it runs: no word, no beat, no obedience."""
    alive: bool = True
    holds: set[int] = field(default_factory=set)


@dataclass(slots=True)
class FakeMold:
    """A mold's process."""

    pid: int
    max_sessions: int
    beat: int
    ready: bool = False
    stuck: bool = False
    """It reads nothing any more: births wait, and only force ends it."""


class FakeKernel:
    """One world. The knobs may be turned at any time; what was planned before keeps its old value."""

    def __init__(self, *, listeners: int = 1, backlog: int = 128) -> None:
        self.wakeups = 0
        self.import_ns = 50 * MS
        self.boot_ns = 2 * MS
        self.obey_ns = MS // 10
        self.broken_app = ""
        """What a mold says instead of getting READY."""
        self.fork_errno = 0
        """What fork says instead of forking."""
        self.forks_hang = False
        """Workers are stuck from their fork on."""
        self.judge_ns = 130 * MS
        """FOREVER: it hangs."""
        self.judgement: ConfigRead | PreforkError = ConfigError("there is no config")
        """What a judge finds that is asked from now on."""
        self.judges: set[int] = set()
        """Those that run."""
        self.signalled: list[tuple[WorkerId, int]] = []
        self.rung: list[WorkerId] = []
        self.replies: list[dict[str, Any]] = []
        self.refused = 0
        self.listens = self.sealed = self.is_shut = False
        self.workers: dict[WorkerId, FakeWorker] = {}
        self.molds: dict[int, FakeMold] = {}
        self._backlog = backlog
        self._now = 1_000_000_000
        self._order = count()
        self._pids = count(FIRST_PID)
        self._events: list[tuple[int, int, Callable[[], object]]] = []
        self._facts: list[Fact] = []
        self._queues: list[list[tuple[int, int]]] = [[] for _ in range(listeners)]
        self._armed = [False] * listeners

    # -- the world's side: what a test makes happen

    def after(self, ns: int, what: Callable[[], object]) -> None:
        """Make `what` happen in so many ns."""
        heapq.heappush(self._events, (self._now + ns, next(self._order), what))

    def connect(self, hold_ns: int = FOREVER, listener: int = 0) -> int:
        """A client connects now, and holds its session for so long; its number."""
        number = next(self._order)
        if not self.listens or self.sealed or len(self._queues[listener]) >= self._backlog:
            self.refused += 1
            return number
        self._queues[listener].append((number, hold_ns))
        self._offer()
        return number

    def hang_up(self, number: int) -> None:
        """The client of that number ends its session."""
        for worker in self.workers.values():
            if number in worker.holds:
                self._close(worker, number)

    def tell_master(self, fact: Fact) -> None:
        """Any fact: a signal, a client of the control socket."""
        self._facts.append(fact)

    def die(self, worker: WorkerId, *, code: int | None = None, signum: int | None = None, oom: bool = False) -> None:
        """The worker's process ends."""
        gone = self.workers.pop(worker)
        gone.alive = False
        accepted = gone.words[wire.ACCEPTED]
        lost = accepted - gone.words[wire.CLOSED]
        dropped, totals = gone.words[wire.DROPPED], totals_at_death(gone.words, self._now)
        self._facts.append(WorkerExited(worker, code, signum, oom, "", accepted, lost, dropped, totals))
        self._offer()

    # -- the master's side: the Kernel protocol

    def now(self) -> int:
        return self._now

    def wait(self, until: int | None) -> list[Fact]:
        while not self._facts and self._events and (until is None or self._events[0][0] <= until):
            at, _, what = heapq.heappop(self._events)
            self._now = max(self._now, at)
            what()
        if not self._facts:
            if until is None:
                raise AssertionError("the master waits for a fact, and nothing will ever happen")
            self._now = max(self._now, until)
        self.wakeups += 1
        facts, self._facts = self._facts, []
        return facts

    def start_mold(self, generation: int, settings: dict[str, Any]) -> None:
        mold = FakeMold(next(self._pids), settings["max_sessions"], settings["heartbeat_interval_ns"])
        self.molds[generation] = mold
        self.after(self.import_ns, lambda: self._imported(generation, mold))

    def end_mold(self, generation: int, *, force: bool) -> None:
        mold = self.molds.get(generation)
        if mold is not None and (force or not mold.stuck):
            self.after(self.obey_ns, lambda: self._mold_ends(generation, mold, "SIGKILL" if force else "exit code 0"))

    def fork(self, worker: WorkerId, generation: int, words: Mapping[int, int]) -> None:
        mold = self.molds.get(generation)
        if mold is None or not mold.ready or self.fork_errno:
            self._facts.append(WorkerUnborn(worker, self.fork_errno or errno.ESRCH))
            return
        slot = [0] * wire.WORDS
        slot[wire.TAG] = worker
        for word, value in words.items():
            slot[word] = value
        gate = Gate(mold.max_sessions, slot[wire.MAX_SERVED])
        asked = FakeWorker(worker, next(self._pids), slot, gate, mold, stuck=self.forks_hang)
        self.workers[worker] = asked
        if not mold.stuck:
            self.after(self.boot_ns // 2, lambda: self._born(asked))
            self.after(self.boot_ns, lambda: self._ready(asked, mold.beat))

    def tell(self, worker: WorkerId, wanted: int, drain_by: int) -> None:
        known = self.workers.get(worker)
        if known is not None:
            known.words[wire.WANTED], known.words[wire.DRAIN_BY] = wanted, drain_by
            self.after(self.obey_ns, lambda: self._obey(known))
            if drain_by:
                self.after(max(0, drain_by - self._now), lambda: self._drain_is_over(known))

    def ring(self, worker: WorkerId) -> None:
        self.rung.append(worker)
        self._offer()

    def signal(self, worker: WorkerId, signum: int) -> None:
        self.signalled.append((worker, signum))
        known = self.workers.get(worker)
        if known is not None and not known.born:  # there is no process yet that Linux could signal
            if signum == signal.SIGKILL and not known.mold.stuck:
                self._not_born(known, 0)
        elif known is not None and signum in (signal.SIGKILL, signal.SIGABRT):
            self.after(self.obey_ns, lambda: self.die(worker, signum=signum) if worker in self.workers else None)

    def words(self, worker: WorkerId) -> list[int] | None:
        known = self.workers.get(worker)
        return list(known.words) if known is not None else None

    def pid(self, worker: WorkerId) -> int | None:
        known = self.workers.get(worker)
        return known.pid if known is not None and known.born else None

    def mold_pid(self, generation: int) -> int | None:
        mold = self.molds.get(generation)
        return mold.pid if mold is not None else None

    def cpu(self, worker: WorkerId) -> int | None:
        return 0 if worker in self.workers else None

    def listen(self) -> list[str]:
        self.listens = True
        self._armed = [True] * len(self._queues)
        return [f"tcp://127.0.0.1:{1 + index}" for index in range(len(self._queues))]

    def starved(self, worker: WorkerId) -> int | None:
        return self.cpu(worker)

    def queues(self) -> list[Queue]:
        return [Queue(len(queue), self._backlog) for queue in self._queues]

    def arm(self, listener: int) -> None:
        self._armed[listener] = True
        self.after(0, lambda: self._fire(listener))

    def seal(self) -> None:
        self.sealed = True

    def shut(self) -> None:
        self.sealed = self.is_shut = True
        for queue in self._queues:
            self.refused += len(queue)
            queue.clear()

    def judge(self, number: int, question: dict[str, Any]) -> None:
        del question
        self.judges.add(number)
        found = self.judgement
        if self.judge_ns < FOREVER:
            self.after(self.judge_ns, lambda: self._judge_ends(number, found))

    def end_judge(self, number: int) -> None:
        self.after(self.obey_ns, lambda: self._judge_ends(number, ConfigError("it was ended")))

    def reply(self, client: int, answer: dict[str, Any]) -> None:
        self.replies.append({"client": client, **answer})

    # -- events

    def _judge_ends(self, number: int, answer: ConfigRead | PreforkError) -> None:
        if number in self.judges:
            self.judges.remove(number)
            self._facts.append(Judged(number, answer))

    def _imported(self, generation: int, mold: FakeMold) -> None:
        if self.molds.get(generation) is not mold:
            return
        if self.broken_app:
            self._facts.append(MoldSaid(generation, wire.MoldFailed(self.broken_app, "")))
            self._mold_ends(generation, mold, "exit code 0")
        else:
            mold.ready = True
            self._facts.append(MoldSaid(generation, wire.MoldReady(10 << 20)))

    def _mold_ends(self, generation: int, mold: FakeMold, how: str) -> None:
        if self.molds.get(generation) is mold:
            del self.molds[generation]
            for worker in [each for each in self.workers.values() if each.mold is mold and not each.born]:
                if mold.stuck:  # else it was forked, and only its word is on its way
                    self._not_born(worker, errno.ECHILD)
            self._facts.append(MoldExited(generation, how))

    def _born(self, worker: FakeWorker) -> None:
        if worker.alive and not worker.stuck:
            worker.born = True
            self._say(worker, wire.Born(worker.pid))

    def _not_born(self, worker: FakeWorker, number: int) -> None:
        del self.workers[worker.id]
        worker.alive = False
        self._facts.append(WorkerUnborn(worker.id, number))

    def _say(self, worker: FakeWorker, record: wire.Record) -> None:
        if worker.alive:
            self._facts.append(WorkerSaid(worker.id, record))

    def _ready(self, worker: FakeWorker, beat: int) -> None:
        if not worker.alive or worker.stuck:
            return
        worker.ready = True
        worker.words[wire.IDLE_SINCE] = self._now
        self._say(worker, wire.Ready())
        self._beat(worker, beat)
        self._obey(worker)

    def _beat(self, worker: FakeWorker, every: int) -> None:
        if worker.alive and not worker.stuck:
            worker.words[wire.HEARTBEAT] = self._now
            worker.words[wire.RSS] = 10 << 20
            self.after(every, lambda: self._beat(worker, every))

    def _obey(self, worker: FakeWorker) -> None:
        if not worker.ready or not worker.alive or worker.stuck:
            return
        if worker.gate.learn(worker.words[wire.WANTED]):
            self._say(worker, wire.Declined())
        self._settle(worker)
        self._offer()

    def _drain_is_over(self, worker: FakeWorker) -> None:
        drained = worker.words[wire.WANTED] & wire.WANT_DRAIN and worker.words[wire.DRAIN_BY] <= self._now
        if drained and worker.alive and not worker.stuck:
            for number in sorted(worker.holds):
                self._close(worker, number)

    def _settle(self, worker: FakeWorker) -> None:
        """The worker writes its words; a worker that is done ends."""
        if worker.gate.bits & ~worker.words[wire.GATE] & wire.GATE_SPENT:
            self._say(worker, wire.Bell())
        worker.words[wire.GATE], worker.words[wire.ACTUAL] = worker.gate.bits, worker.gate.actual
        if worker.gate.done and worker.alive:
            self.die(worker.id, code=0)

    def _offer(self) -> None:
        """Whoever may accept does, fewest sessions first; a listener that is still readable and armed fires."""
        for index, queue in enumerate(self._queues):
            while queue:
                able = [each for each in self.workers.values() if each.ready and not each.stuck and each.gate.open]
                if not able:
                    break
                self._accept(min(able, key=lambda each: (each.gate.sessions, each.id)), *queue.pop(0))
            self._fire(index)

    def _accept(self, worker: FakeWorker, number: int, hold_ns: int) -> None:
        self._hold(worker)
        worker.holds.add(number)
        worker.gate.session_opened()
        worker.words[wire.ACCEPTED] += 1
        worker.words[wire.IDLE_SINCE] = 0
        worker.words[wire.HEARTBEAT] = self._now
        self._settle(worker)
        if hold_ns < FOREVER:
            self.after(hold_ns, lambda: self._close(worker, number))

    def _close(self, worker: FakeWorker, number: int) -> None:
        if number not in worker.holds or not worker.alive:
            return
        self._hold(worker)
        worker.holds.remove(number)
        worker.gate.session_closed()
        worker.words[wire.CLOSED] += 1
        if not worker.holds:
            worker.words[wire.IDLE_SINCE] = self._now
        self._settle(worker)
        self._offer()

    def _hold(self, worker: FakeWorker) -> None:
        """So many sessions were held until now."""
        words = worker.words
        words[wire.HELD] += len(worker.holds) * (self._now - words[wire.HELD_AT])
        words[wire.HELD_AT] = self._now

    def _fire(self, listener: int) -> None:
        if self._armed[listener] and self._queues[listener]:
            self._armed[listener] = False
            self._facts.append(ListenerReadable(listener))
