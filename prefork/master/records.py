"""What the master remembers of each worker and mold: one record each, from its birth to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork import wire
from prefork.policy.model import KillStep, MoldPhase, MoldView, Owner, Phase, Reason, WorkerId, WorkerView

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
    drain_wanted: Owner | None = None
    boot_rss: int | None = None
    failed: wire.Failed | None = None
    told: tuple[int, int] = (0, 0)
    """The WANTED and DRAIN_BY words as last written."""

    def wanted(self, *, sweep: bool) -> tuple[int, int]:
        """The words that say what the worker should do, derived from the record alone."""
        bits = 0
        for owner in self.paused_by:
            bits |= _PAUSE_BITS[owner]
        if self.retiring_at is not None and self.phase is Phase.SERVING:
            bits |= wire.WANT_RETIRE
        if self.drain_by is not None:
            bits |= wire.WANT_DRAIN | (wire.WANT_SWEEP if sweep else 0)
        return bits, self.drain_by or 0

    def view(self, words: list[int], now: int, cpu_ns: int | None) -> WorkerView:
        """A snapshot; a word that the worker wrote after `now` was read counts as written at `now`."""
        ready = self.ready_at is not None
        return WorkerView(
            id=self.id,
            generation=self.generation,
            phase=self.phase,
            forked_at=self.forked_at,
            ready_at=self.ready_at,
            heard_at=min(words[wire.HEARTBEAT], now) or None,
            idle_since=min(words[wire.IDLE_SINCE], now) or None if ready else None,
            sessions=max(0, words[wire.ACCEPTED] - words[wire.CLOSED]),
            accepted=words[wire.ACCEPTED],
            paused_by=self.paused_by,
            replaces=self.replaces,
            retiring_at=self.retiring_at,
            rss=words[wire.RSS] or None,
            boot_rss=self.boot_rss,
            cpu_ns=cpu_ns,
            drain_by=self.drain_by,
            kill_step=self.kill_step,
            killed_at=self.killed_at,
            drain_wanted=self.drain_wanted,
        )


@dataclass(slots=True)
class MoldRecord:
    """One mold; `config` is what its generation runs under once it is READY."""

    generation: int
    config: ServerConfig
    since_at: int
    phase: MoldPhase = MoldPhase.STARTING
    failed: wire.MoldFailed | None = None
    how: str = ""
    """How its process ended; empty while it runs."""
    running: bool = True

    def view(self) -> MoldView:
        """A snapshot."""
        return MoldView(self.generation, self.phase, self.since_at)
