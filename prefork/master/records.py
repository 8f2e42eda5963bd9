"""What the master remembers of each worker and mold: one record each, from its birth to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefork import wire
from prefork.master.facts import WorkerExited, WorkerUnborn
from prefork.policy.limits import Limits
from prefork.policy.model import (
    Drain,
    ExitView,
    Kill,
    KillStep,
    MoldPhase,
    MoldView,
    Owner,
    Pause,
    Phase,
    Reason,
    Resume,
    Retire,
    WorkerId,
    WorkerView,
)

if TYPE_CHECKING:
    from prefork.config import ServerConfig

_PAUSE_BITS = {
    Owner.OPERATOR: wire.WANT_PAUSE_OPERATOR,
    Owner.APP: wire.WANT_PAUSE_APP,
    Owner.POLICY: wire.WANT_PAUSE_POLICY,
}


@dataclass(slots=True)
class WorkerRecord:
    """One worker, as the master believes it to be. Instants in monotonic ns."""

    id: WorkerId
    generation: int
    forked_at: int
    replaces: WorkerId | None = None
    phase: Phase = Phase.BOOTING
    ready_at: int | None = None
    paused_by: frozenset[Owner] = frozenset()
    retiring_at: int | None = None
    drain_by: int | None = None
    kill_step: KillStep | None = None
    killed_at: int | None = None
    ordered: Reason | None = None
    retirements: int = 0
    drain_wanted: Owner | None = None
    boot_rss: int | None = None
    failed: wire.Failed | None = None
    born: bool = False
    boot_at: int | None = None
    """Since when its boot is under way; None: since FORK."""
    told: tuple[int, int] = (0, 0)
    """The WANTED and DRAIN_BY words as last written."""

    def wanted(self, *, sweep: bool) -> tuple[int, int]:
        """The words that say what the worker should do, derived from the record alone."""
        bits = 0
        for owner in self.paused_by:
            bits |= _PAUSE_BITS[owner]
        if self.retiring_at is not None and self.phase is Phase.SERVING:
            bits |= wire.WANT_RETIRE | self.retirements << wire.WANT_SERIAL_SHIFT
        if self.phase is Phase.KILLED:
            bits |= wire.WANT_PAUSE_POLICY  # one that wakes on its way down takes nobody with it
        if self.drain_by is not None:
            bits |= wire.WANT_DRAIN | (wire.WANT_SWEEP if sweep else 0)
        return bits, self.drain_by or 0

    def said(self, record: wire.Record, now: int) -> None:
        """Take in a record of the worker's; a later version's word means nothing."""
        match record:
            case wire.Born():
                self.born, self.boot_at = True, now
            case wire.Ready():
                self.ready_at = now
                if self.phase is Phase.BOOTING:
                    self.phase = Phase.SERVING
            case wire.Declined():
                self.retiring_at = None
                if self.phase is Phase.SERVING:  # else it crossed with an order that stands
                    self.ordered = None
            case wire.Failed():
                self.failed = record
            case wire.Request("pause", owner):
                self.paused_by |= {Owner(owner)}
            case wire.Request("resume", owner):
                self.paused_by -= {Owner(owner)}
            case wire.Request("drain", owner):
                self.drain_wanted = Owner(owner)
            case _:
                pass

    def obey(self, order: Pause | Resume | Retire | Drain | Kill, at: int) -> None:
        """Remember a command as given, whatever comes of it."""
        match order:
            case Pause():
                self.paused_by |= {Owner.POLICY}
            case Resume():
                self.paused_by -= {Owner.POLICY}
            case Retire():
                self.retiring_at, self.ordered = at, order.because.reason
                self.retirements += 1
            case Drain():
                self.phase, self.drain_by, self.ordered = Phase.DRAINING, order.by, order.because.reason
            case Kill():
                self.phase, self.kill_step, self.killed_at = Phase.KILLED, order.step, at
                self.ordered = order.because.reason

    def exit(self, fact: WorkerUnborn | WorkerExited, seq: int, now: int) -> ExitView:
        """What the policy is shown of its end."""
        ended = ExitView(seq, self.id, self.generation, now, self.ready_at, self.forked_at, self.ordered)
        if isinstance(fact, WorkerUnborn):
            return ended._replace(born=not fact.errno or self.ordered is not None)
        return ended._replace(code=fact.code, signal=fact.signal, oom=fact.oom)

    def view(self, words: list[int], now: int, cpu_ns: int | None) -> WorkerView:
        """A snapshot; a word that the worker wrote after `now` was read counts as written at `now`.

        By position, in the order of WorkerView: keywords cost a thousand workers 0.5 ms.
        """
        heard, idle, sessions = words[wire.HEARTBEAT], words[wire.IDLE_SINCE], words[wire.ACCEPTED] - words[wire.CLOSED]
        return WorkerView(
            self.id,
            self.generation,
            self.phase,
            self.forked_at,
            self.ready_at,
            min(heard, now) or None,
            min(idle, now) or None if self.ready_at is not None else None,
            max(sessions, 0),
            words[wire.ACCEPTED],
            self.paused_by,
            self.replaces,
            self.retiring_at,
            words[wire.RSS] or None,
            self.boot_rss,
            cpu_ns,
            self.drain_by,
            self.kill_step,
            self.killed_at,
            self.drain_wanted,
            bool(words[wire.GATE] & wire.GATE_SPENT),
            self.born,
            self.boot_at,
            bool(words[wire.GATE] & wire.GATE_FULL),
        )


@dataclass(slots=True)
class MoldRecord:
    """One mold; `config` is what its generation runs under once it is READY."""

    generation: int
    config: ServerConfig
    since_at: int
    phase: MoldPhase = MoldPhase.STARTING
    failed: wire.MoldFailed | None = None
    import_timeout_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.import_timeout_ns = Limits.of(self.config.pool).import_timeout_ns

    def enter(self, phase: MoldPhase, at: int) -> None:
        """Be in `phase` since `at`."""
        self.phase, self.since_at = phase, at

    def said(self, record: wire.Record, now: int) -> None:
        """Take in a record; one that crossed with the order to end means nothing."""
        match record:
            case wire.MoldReady() if self.phase is MoldPhase.STARTING:
                self.enter(MoldPhase.READY, now)
            case wire.MoldFailed() if self.phase is MoldPhase.STARTING:
                self.failed = record
                self.enter(MoldPhase.FAILED, now)
            case _:
                pass

    def took_too_long(self) -> None:
        """It was told to go because its import overstayed."""
        limit = self.config.pool.import_timeout
        text = f"app {self.config.app!r}: importing it took longer than import_timeout ({limit:g} s)"
        self.failed = wire.MoldFailed(text, "")

    def ended(self, now: int) -> None:
        """Its process is gone; one that was told to go, or had said that it failed, stays what it was."""
        if self.phase in (MoldPhase.STARTING, MoldPhase.READY):
            self.enter(MoldPhase.GONE, now)
        elif self.phase is MoldPhase.ENDING and self.failed is not None:
            self.enter(MoldPhase.FAILED, now)

    def view(self) -> MoldView:
        """A snapshot."""
        return MoldView(self.generation, self.phase, self.since_at, self.import_timeout_ns)
