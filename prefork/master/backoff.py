"""Tells when the pool is out of crash tokens, and when it is over: one line each, for an operator who reads the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prefork.policy.limits import Limits
from prefork.policy.units import duration_text

if TYPE_CHECKING:
    from prefork.master.facts import Fact, Performed
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Memory, Plan
    from prefork.policy.model import PoolView

_log = logging.getLogger("prefork.master")


class BackoffWatch:
    """A witness of the memory alone: when the policy says that the pool is degraded."""

    def looked(self, pool: PoolConfig, memory: Memory, view: PoolView, plan: Plan) -> None:
        """Say what has changed."""
        before, after = memory.degraded_at, plan.memory.degraded_at
        if before is None and after is not None:
            limits = Limits.of(pool)
            _log.warning(
                "workers crash so often that none of the %d crash tokens is left: births back off, one probe at a "
                "time, until one lives for %s",
                limits.crash_burst,
                duration_text(limits.healthy_after_ns),
            )
        elif before is not None and after is None:
            why = "a probe lives" if view.generation == memory.generation else "another generation"
            _log.warning("workers are born as usual again: %s", why)

    def performed(self, done: Performed) -> None:
        """The memory tells."""

    def learned(self, fact: Fact, now: int) -> None:
        """The memory tells."""
