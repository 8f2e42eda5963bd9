"""What decide() remembers from one look to the next, and what it hands back.

Theory. Facts live in the view; memory holds only what no single view can tell: how late the last look was, the least
spares of a window, what crashes have spent. It starts empty, is bounded (the window holds at most one entry for each
number of spares), never holds a float, and survives JSON, so that a replay or a shadow can carry on with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from prefork.policy.estimates import Estimates

if TYPE_CHECKING:
    from prefork.policy.model import Decision, Withheld


class Memory(NamedTuple):
    """Estimates and windows; the empty one is where a master's life begins."""

    last_now: int | None = None
    """The latest instant seen; an earlier `view.now` counts as this one."""
    next_check_at: int | None = None
    """When the last plan wanted to be asked again."""
    awake_at: int = 0
    """The last look that came over a second late (a frozen host): silence is counted from here."""
    generation: int = 0
    """The last view's; a new one starts a fresh crash bucket."""
    newest_mold: int = 0
    """The highest generation any mold ever had; numbers are never used again."""
    ever_ready: bool = False
    """Some worker of this master became READY."""
    started: bool = False
    """`start_workers` have been ordered."""
    exits_seen: int = 0
    """`seq` of the last exit judged."""
    crash_spent_ns: int = 0
    """Tokens taken by crashes and not yet refilled, each worth `refill`."""
    outside_spent_ns: int = 0
    """The same for workers killed from outside; may reach twice the bucket: debt."""
    last_gone_forked_at: int = 0
    """The birth of the youngest worker that has ended."""
    degraded_at: int | None = None
    """A crash found no token left; births since then are probes."""
    probe_at: int = 0
    """While degraded: the earliest next probe."""
    failed_probes: int = 0
    fork_failures: int = 0
    """In a row; failures of forks that were asked for together count once."""
    fork_failed_at: int = 0
    fork_retry_at: int = 0
    mold_lost_at: int | None = None
    """Since then there is no mold that forks or will."""
    mold_restarts: int = 0
    """Of lost molds, since one lasted for `healthy_after`."""
    first_mold_failed: bool = False
    """The app can't be imported: that ends the server, and is not tried again."""
    forced_molds: tuple[tuple[int, int], ...] = ()
    """(generation, since_at) of molds that were told to go by force."""
    window_since: int | None = None
    """Spares are watched since then, without a gap."""
    window: tuple[tuple[int, int], ...] = ()
    """(at, spares), both rising: the first entry is the least of the window."""
    demand: Estimates = Estimates()
    """Of the load; the empty ones unless sizing follows it."""

    def to_json(self) -> str:
        """Return one line of JSON."""
        fields = self._asdict() | {"demand": self.demand._asdict()}
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote. Raises ValueError for anything else."""
        fields = json.loads(text)
        demand: Any = fields.get("demand", {}) if isinstance(fields, dict) else None
        known = isinstance(demand, dict) and demand.keys() <= set(Estimates._fields)
        if not known or not fields.keys() <= set(cls._fields):
            raise ValueError(f"no memory of this version of prefork: {text[:80]!r}")
        values: dict[str, Any] = dict(fields)
        values |= {name: _tuples(fields[name]) for name in ("forced_molds", "window") if name in fields}
        values["demand"] = Estimates(**{name: _tuples(value) for name, value in demand.items()})
        return cls(**values)


class Plan(NamedTuple):
    """What to do now, in the order in which to do it, and when to ask again."""

    decisions: tuple[Decision, ...]
    withheld: tuple[Withheld, ...]
    next_check_at: int | None
    """The earliest instant at which, with no new fact, some rule could speak; None: never."""
    memory: Memory


def _tuples(raw: Any) -> Any:  # noqa: ANN401 - JSON
    """Make lists tuples again, at every depth."""
    return tuple(map(_tuples, raw)) if isinstance(raw, list) else raw
