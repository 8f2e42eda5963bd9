"""What the operator wants of the pool, as data that the policy reads: stop, scale, pause, reload.

Theory. There is no stop procedure and no reload procedure: an order changes a goal, and the one loop does the rest. A
stop's deadline only ever moves earlier, so that a second order can't prolong it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.policy.limits import Limits


@dataclass(slots=True)
class Goals:
    """The operator's wishes; `*_at` and `*_by` in monotonic ns."""

    stop_at: int | None = None
    stop_by: int | None = None
    scale: int | None = None
    bounds: tuple[int, int] | None = None
    """The operator's min_workers and max_workers, instead of the config's."""
    paused: bool = False
    reload_wanted: bool = False

    def stop(self, now: int, limits: Limits) -> None:
        """Drain everybody, after stop_delay; asked a second time, stop at once."""
        if self.stop_at is not None:
            self.stop_at_once(now)
        else:
            self.stop_at = now + limits.stop_delay_ns
            self.stop_by = self.stop_at + limits.drain_timeout_ns

    def stop_at_once(self, now: int) -> None:
        """The deadline is now."""
        self.stop_at = now if self.stop_at is None else min(self.stop_at, now)
        self.stop_by = now if self.stop_by is None else min(self.stop_by, now)

    def scale_by(self, step: int, current: int, limits: Limits) -> None:
        """TTIN and TTOU: more or fewer than the operator's number, or than what there is; kept within min and max."""
        base = current if self.scale is None else self.scale
        self.scale = min(limits.max_workers, max(limits.min_workers, base + step))

    def stopping(self, now: int) -> bool:
        """The drain has begun."""
        return self.stop_at is not None and self.stop_at <= now
