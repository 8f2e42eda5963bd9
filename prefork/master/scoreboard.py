"""What the master believes: facts in, a PoolView out.

Theory. Each fact changes the records and nothing else; a decision that was performed is a fact as well, so that the
next view can't ask for it again. `view` reads the shared memory at that instant; two views with no fact between them
differ only in what the workers wrote there. A fact about a worker that is no longer known is late, and means nothing;
orders and the listeners are for `orders` and `watch`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from prefork import wire
from prefork.errors import AppError, BootError, PreforkError
from prefork.master import facts
from prefork.master.goals import Goals
from prefork.master.records import MoldRecord, WorkerRecord
from prefork.master.totals import Totals, totals_at
from prefork.master.usage import Usage
from prefork.policy.jitter import served_limit
from prefork.policy.limits import Limits
from prefork.policy.model import (
    Because,
    Drain,
    EndMold,
    ExitView,
    GiveUp,
    Kill,
    MoldPhase,
    Owner,
    Pause,
    Phase,
    PoolView,
    Reason,
    Resume,
    Retire,
    Spawn,
    StartMold,
    Withheld,
    WorkerId,
    WorkerView,
)

if TYPE_CHECKING:
    from prefork.config import ServerConfig
    from prefork.master.kernel import Kernel
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Plan

HISTORY = 200
"""Decisions that `status` can still show."""
_RUNNING = (MoldPhase.STARTING, MoldPhase.READY, MoldPhase.ENDING)
_OVER = (MoldPhase.FAILED, MoldPhase.GONE)


class Scoreboard:
    """The master's whole knowledge of the pool."""

    def __init__(self, config: ServerConfig, seed: int) -> None:
        self.config = config
        self.next_config = config
        """What the next mold is started with; the pool runs under it when that mold is READY."""
        self.goals = Goals()
        self.generation = 0
        self.workers: dict[WorkerId, WorkerRecord] = {}
        self.molds: dict[int, MoldRecord] = {}
        self.exits: list[ExitView] = []
        self.history: deque[facts.Performed] = deque(maxlen=HISTORY)
        self.withheld: tuple[Withheld, ...] = ()
        self.fatal: PreforkError | None = None
        """Why the pool can't go on; raised when everything has ended."""
        self.strangers = 0
        self.accepted_before = 0
        """Sessions accepted by workers that are gone."""
        self.before = Totals()
        """Of workers that are gone."""
        self.spawn_ns: int | None = None
        """From FORK to READY: the longest, forgotten by an eighth with each birth."""
        self.usage = Usage()
        """How much of the workers was used, while the size follows that."""
        self.dropped_before = 0
        """Log lines that they could not write."""
        self.last_failure = ""
        """What a worker last said of its own end."""
        self._seed = seed
        self._resolved: tuple[PoolConfig, Limits] | None = None
        """The last pool whose limits were wanted: a look wants them often, and to find them by value costs a hash."""
        self._exits_seen = 0
        self._readable: frozenset[int] = frozenset()

    @property
    def pool(self) -> PoolConfig:
        """The config that the policy judges by: the operator's bounds outlive a reload, within the new maximum."""
        config, bounds = self.config.pool, self.goals.bounds
        if bounds is None:
            return config
        low, high = (min(bound, config.max_workers) for bound in bounds)
        return config.model_copy(update={"min_workers": low, "max_workers": max(1, high)})

    @property
    def limits(self) -> Limits:
        """The effective policy."""
        pool = self.pool
        if self._resolved is None or self._resolved[0] is not pool:
            self._resolved = pool, Limits.of(pool)
        return self._resolved[1]

    @property
    def _next_limits(self) -> Limits:
        return self.limits if self.next_config is self.config else Limits.of(self.next_config.pool)

    @property
    def over(self) -> bool:
        """A stop was ordered, or nothing can be served."""
        return self.goals.stop_at is not None or self.fatal is not None

    @property
    def finished(self) -> bool:
        """It is over, and nobody is left."""
        return self.over and not self.workers and not any(mold.phase in _RUNNING for mold in self.molds.values())

    def config_of(self, generation: int) -> ServerConfig:
        """What a mold of this generation is started with: another one of the present generation with its config."""
        return self.config if generation == self.generation else self.next_config

    def words_at_birth(self, worker: WorkerId, replaces: WorkerId | None) -> dict[int, int]:
        """What the slot of a newcomer says: whether it is born paused, and how many sessions it may ever accept."""
        return {
            wire.WANTED: wire.WANT_PAUSE_OPERATOR if self.paused_by_operator(replaces) else 0,
            wire.MAX_SERVED: served_limit(self.limits, self._seed, worker),
        }

    def count(self, phase: Phase) -> int:
        """How many workers are in this phase."""
        return sum(worker.phase is phase for worker in self.workers.values())

    def paused_by_operator(self, replaces: WorkerId | None) -> bool:
        """Whether a newcomer is: the operator paused the pool, or the worker whose place it was born to take."""
        old = self.workers.get(replaces) if replaces is not None else None
        return self.goals.paused or (old is not None and Owner.OPERATOR in old.paused_by)

    def heirs(self, worker: WorkerId) -> list[WorkerRecord]:
        """Who boots to take the worker's place: the operator's pauses and resumes of it are theirs too."""
        return [each for each in self.workers.values() if each.replaces == worker and each.phase is Phase.BOOTING]

    # -- out

    def accepting(self, kernel: Kernel) -> list[WorkerId]:
        """The workers whose gate is open."""
        words = {each.id: kernel.words(each.id) for each in self.workers.values() if each.phase is Phase.SERVING}
        return [worker for worker, found in words.items() if found is not None and not found[wire.GATE]]

    def accepted(self, kernel: Kernel) -> int:
        """Sessions accepted in this master's life."""
        return self.accepted_before + self._sum(kernel, wire.ACCEPTED)

    def dropped(self, kernel: Kernel) -> int:
        """Log lines that workers could not write in this master's life."""
        return self.dropped_before + self._sum(kernel, wire.DROPPED)

    def _sum(self, kernel: Kernel, word: int) -> int:
        words = [kernel.words(worker) for worker in self.workers]
        return sum(found[word] for found in words if found is not None)

    def view(self, kernel: Kernel) -> PoolView:
        """The pool at this instant."""
        now = kernel.now()
        goals = self.goals
        workers, totals, places = self._worker_views(kernel, now)
        return PoolView(
            now=now,
            seed=self._seed,
            generation=self.generation,
            workers=workers,
            molds=tuple(mold.view() for mold in self.molds.values()),
            exits=tuple(self.exits),
            queue=self._queue(kernel),
            stop_at=goals.stop_at,
            stop_by=goals.stop_by,
            scale=goals.scale,
            paused=goals.paused,
            reload_wanted=goals.reload_wanted,
            import_timeout_ns=self._next_limits.import_timeout_ns,
            arrivals=totals.arrivals,
            completions=totals.completions,
            held_ns=totals.held_ns,
            busy_ns=totals.busy_ns,
            spawn_ns=self.spawn_ns,
            places=places,
        )

    def _worker_views(self, kernel: Kernel, now: int) -> tuple[tuple[WorkerView, ...], Totals, int | None]:
        """The workers, what they add up to, and the fewest sessions that a loop of theirs can hold."""
        limits = self.limits
        silent_before = now - limits.heartbeat_timeout_ns
        views, slots = [], {}
        for record in self.workers.values():
            words = kernel.words(record.id)
            if words is None:
                continue
            record.boot_rss = record.boot_rss or words[wire.RSS] or None
            heard = words[wire.HEARTBEAT]
            late = record.ready_at is not None and heard <= silent_before
            views.append(record.view(words, now, _cpu_since(kernel, record.id, words) if late else None))
            slots[record.id] = words
        totals = self.before.plus(totals_at(slots.values(), now))
        if limits.sizing == "demand" and not limits.max_sessions:  # the size follows how busy loops are
            totals = totals._replace(busy_ns=self.usage.learn(kernel, slots, now))
        else:
            self.usage.rest(totals.busy_ns)
        limited = [words[wire.PLACES] for words in slots.values() if words[wire.PLACES]]
        return tuple(views), totals, min(limited, default=None)

    def _queue(self, kernel: Kernel) -> int | None:
        """Sum of the accept queues; one whose length the kernel doesn't tell counts 1 while it is readable."""
        lengths = [
            int(index in self._readable) or None if queue.length is None else queue.length
            for index, queue in enumerate(kernel.queues())
        ]
        known = [length for length in lengths if length is not None]
        return sum(known) if known else None

    # -- in

    def planned(self, plan: Plan) -> None:
        """The policy has spoken: what it has judged needn't be shown again."""
        self.withheld = plan.withheld
        seen = plan.memory.exits_seen
        if self.exits and self.exits[0].seq <= seen:
            self.exits = [each for each in self.exits if each.seq > seen]

    def watched(self, readable: frozenset[int]) -> None:
        """Which listeners were seen readable just now."""
        self._readable = readable

    def learn(self, fact: facts.Fact, now: int) -> None:
        """Take in one fact."""
        match fact:
            case facts.Performed():
                self._performed(fact)
            case facts.WorkerSaid(worker, record) if worker in self.workers:
                self._worker_said(self.workers[worker], record, now)
            case facts.WorkerUnborn() | facts.WorkerExited() if fact.worker in self.workers:
                self._worker_ended(self.workers.pop(fact.worker), fact, now)
            case facts.MoldSaid(generation, record) if generation in self.molds:
                self._mold_said(self.molds[generation], record, now)
            case facts.MoldExited(generation, how) if generation in self.molds:
                self._mold_ended(self.molds[generation], how, now)
            case facts.StrangerReaped():
                self.strangers += 1
            case _:
                pass

    def _worker_said(self, worker: WorkerRecord, record: wire.Record, now: int) -> None:
        if isinstance(record, wire.Request) and record.act == "stop":
            if self.goals.stop_at is None:  # many sessions may ask; only an operator's second word means at once
                self.goals.stop(now, self.limits)
        else:
            worker.said(record, now)
        if isinstance(record, wire.Born):
            self._next_birth(worker.generation, now)
        if isinstance(record, wire.Ready):
            took = max(0, now - worker.forked_at)
            self.spawn_ns = took if self.spawn_ns is None else max(took, (7 * self.spawn_ns + took) // 8)
        if isinstance(record, wire.Request) and record.owner == Owner.OPERATOR and record.act in ("pause", "resume"):
            for heir in self.heirs(worker.id):
                heir.said(record, now)

    def _next_birth(self, generation: int, now: int) -> None:
        """The mold has come to an end with one birth, so that from now on it is busy with the next."""
        for other in self.workers.values():
            if not other.born and other.generation == generation:
                other.boot_at = now

    def _worker_ended(self, worker: WorkerRecord, fact: facts.WorkerUnborn | facts.WorkerExited, now: int) -> None:
        self._exits_seen += 1
        ended = worker.exit(fact, self._exits_seen, now)
        self.exits.append(ended)
        if isinstance(fact, facts.WorkerUnborn):
            self._next_birth(worker.generation, now)
        if isinstance(fact, facts.WorkerExited):
            self.accepted_before += fact.accepted
            self.dropped_before += fact.dropped
            self.before = self.before.plus(fact.totals)
        if ended.ordered is None:
            self.last_failure = worker.failed.text if worker.failed is not None else fact.how

    def _mold_said(self, mold: MoldRecord, record: wire.Record, now: int) -> None:
        mold.said(record, now)
        if mold.phase is MoldPhase.READY:
            self.generation, self.config = mold.generation, mold.config
            self.forget_failed_molds()
        elif mold.failed is not None:
            self._mold_failed(mold.failed)

    def _mold_ended(self, mold: MoldRecord, how: str, now: int) -> None:
        mold.ended(now)
        if mold.phase is MoldPhase.ENDING:
            del self.molds[mold.generation]
        elif mold.failed is not None:
            self._mold_failed(mold.failed)
        if not self.generation and self.fatal is None and self.goals.stop_at is None:
            self.fatal = AppError(f"app {mold.config.app!r}: the process that imported it ended ({how})")

    def _mold_failed(self, failed: wire.MoldFailed) -> None:
        """The first one ends the pool; after a reload that failed, the config that works is the next one too.

        But for a reload that waited for it: that brings its own.
        """
        if not self.goals.reload_wanted:
            self.next_config = self.config
        if not self.generation and self.fatal is None:
            self.fatal = AppError(failed.text, failed.frames)

    def cannot_go_on(self, why: PreforkError, now: int) -> None:
        """End the pool; `why` is raised when everything has ended."""
        self.goals.stop_at_once(now)
        self.fatal = why

    def forget_failed_molds(self) -> None:
        """What became of earlier reloads is no answer to the next one."""
        for old in [each for each in self.molds.values() if each.phase in _OVER]:
            if old.generation != self.generation:
                del self.molds[old.generation]

    def _performed(self, done: facts.Performed) -> None:
        self.history.append(done)
        match done.decision:
            case Spawn(generation=generation, replaces=replaces) if done.worker is not None:
                worker = WorkerRecord(done.worker, generation, done.at, replaces)
                worker.paused_by = frozenset({Owner.OPERATOR}) if self.paused_by_operator(replaces) else frozenset()
                self.workers[done.worker] = worker
            case StartMold(generation=generation):
                if generation != self.generation:  # not another mold of this one
                    self.goals.reload_wanted = False
                self.molds[generation] = MoldRecord(generation, self.config_of(generation), done.at)
            case EndMold(generation=generation, because=because):
                self.molds[generation].enter(MoldPhase.ENDING, done.at)
                if because.reason is Reason.IMPORT_TIMEOUT:
                    self.molds[generation].took_too_long()
            case GiveUp(because=because):
                self.cannot_go_on(BootError(_give_up_text(self.config.app, because, self.last_failure)), done.at)
            case Pause() | Resume() | Retire() | Drain() | Kill() as order:
                self.workers[order.worker].obey(order, done.at)


def _cpu_since(kernel: Kernel, worker: WorkerId, words: list[int]) -> int | None:
    cpu = kernel.cpu(worker)
    return max(0, cpu - words[wire.CPU]) if cpu is not None else None


def _give_up_text(app: str, because: Because, failure: str) -> str:
    """One line for the error that ends the pool."""
    told = ", ".join(f"{name}={value}" for name, value in because.figures)
    why = f"gave up: {because.reason} ({told})"
    if because.reason is not Reason.NEVER_READY:
        return f"app {app!r}: {why}"
    return f"app {app!r}: no worker became ready, the last one: {failure}; {why}: mend the app, and start again"
