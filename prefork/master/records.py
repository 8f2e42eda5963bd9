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
            (heard if heard < now else now) or None,
            (idle if idle < now else now) or None if self.ready_at is not None else None,
            sessions if sessions > 0 else 0,
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
