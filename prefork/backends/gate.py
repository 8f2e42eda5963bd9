"""The gate of a worker: may it accept, must it drain, is it done. Sans-IO: no clock, no socket.

Theory. The gate is the whole session cap: a place is taken at accept, so the cap is exact, and so is the number of
sessions that a worker ever serves. It shuts for five reasons, each with a bit of its own (`wire.GATE_*`), and opens
when none is left. What the master wants arrives as `wire.WANT_*` bits; a drain and a retirement once begun are never
taken back, and who is spent stays so.

Retire: without a session the worker ends; with one it says DECLINED, once for each serial number, and stays.
Sweep: a drain that first takes what is still queued: below the cap, spent or not, it goes on accepting until the master
takes the bit back, or shuts the listener.
Out of descriptors: no accept for a while that doubles from 10 ms to 0.5 s, or until a descriptor of ours is free.
"""

from __future__ import annotations

from prefork import wire

SHORTEST_BACKOFF_NS = 10_000_000
LONGEST_BACKOFF_NS = 500_000_000
LOG_INTERVAL_NS = 1_000_000_000
_UNLIMITED = 1 << 62


class Gate:
    """Its public attributes are true of this moment; others read them and never write."""

    __slots__ = (
        "_backoff_ns",
        "_ends",
        "_left",
        "_logged_at",
        "_max_sessions",
        "_orphaned",
        "_retired",
        "_serial",
        "_swept",
        "_wanted",
        "actual",
        "bits",
        "done",
        "draining",
        "open",
        "places",
        "retry_at",
        "sessions",
        "sweeping",
    )

    def __init__(self, max_sessions: int, max_served: int) -> None:
        """Open, without a session. `max_sessions` at one time, `max_served` ever; 0 = no limit."""
        self._max_sessions = max_sessions
        self._left = max_served or _UNLIMITED
        """Sessions until it is spent."""
        self._ends = False
        """Whether the last session is waited for."""
        self._wanted = 0
        self._serial = 0
        self._retired = False
        self._orphaned = False
        self._swept = False
        self._backoff_ns = 0
        self._logged_at: int | None = None
        self.sessions = 0
        self.places = 0
        """What the loop itself can hold; 0 = no limit."""
        self.retry_at = 0
        """Monotonic ns at which the back-off ends; 0 = there is none."""
        self.draining = False
        self.sweeping = False
        self.done = False
        self.open = True
        self.bits = 0
        self.actual = 0

    @property
    def max_sessions(self) -> int:
        """The cap; 0 = none."""
        return self._max_sessions

    def hold_at_most(self, sessions: int) -> None:
        """Lower the cap, where it is over this, for a loop that can't hold more; before READY, which tells it."""
        self.places = sessions
        self._max_sessions = min(self._max_sessions or sessions, sessions)

    def learn(self, wanted: int) -> bool:
        """Take the master's WANT_* bits; True: say DECLINED."""
        serial = wanted >> wire.WANT_SERIAL_SHIFT
        asked = bool(wanted & wire.WANT_RETIRE) and (serial, wire.WANT_RETIRE) != (
            self._serial,
            self._wanted & wire.WANT_RETIRE,
        )
        self._wanted, self._serial = wanted, serial
        self.draining = self.draining or bool(wanted & wire.WANT_DRAIN)
        asked = asked and not self.draining
        if asked and not self.sessions:
            self._retired = True
        self._settle()
        return asked and not self._retired

    def orphan(self) -> None:
        """The master is gone: stop accepting and drain."""
        self._orphaned = True
        self.draining = True
        self._settle()

    def session_opened(self) -> None:
        """Take a place."""
        self.sessions += 1
        self._left -= 1
        if self.sessions == self._max_sessions or self._ends or self._backoff_ns or self._left <= 0:
            self.retry_at = self._backoff_ns = 0
            self._settle()

    def session_closed(self) -> None:
        """Give the place back; a descriptor is free again."""
        self.sessions -= 1
        if self.sessions + 1 == self._max_sessions or self._ends or self.retry_at:
            self.retry_at = 0
            self._settle()

    def queue_empty(self) -> None:
        """Nobody waits, nor ever will: the listeners are shut down, or the drain is over."""
        if self.sweeping:
            self._swept = True
            self._settle()

    def out_of_files(self, now: int) -> bool:
        """Accept said EMFILE or ENFILE; True: a log line is due."""
        self._backoff_ns = min(max(2 * self._backoff_ns, SHORTEST_BACKOFF_NS), LONGEST_BACKOFF_NS)
        self.retry_at = now + self._backoff_ns
        self._settle()
        due = self._logged_at is None or now - self._logged_at >= LOG_INTERVAL_NS
        if due:
            self._logged_at = now
        return due

    def tick(self, now: int) -> None:
        """End a back-off that is over."""
        if self.retry_at and now >= self.retry_at:
            self.retry_at = 0
            self._settle()

    def _settle(self) -> None:
        wanted = self._wanted
        paused = wanted & wire.WANT_PAUSE
        sweep = wanted & wire.WANT_SWEEP and not (self._swept or self._orphaned or paused or self._retired)
        self.sweeping = bool(self.draining and sweep)
        self._ends = self.draining or self._retired
        leaving = self._retired or (self.draining and not self.sweeping)
        self.bits = (
            (wire.GATE_FULL if 0 < self._max_sessions <= self.sessions else 0)
            | (wire.GATE_PAUSED if paused else 0)
            | (wire.GATE_DRAINING if leaving else 0)
            | (wire.GATE_BACKOFF if self.retry_at else 0)
            | (wire.GATE_SPENT if self._left <= 0 else 0)
        )
        self.open = not (self.bits & ~wire.GATE_SPENT if self.sweeping else self.bits)
        self.done = leaving and not self.sessions
        self.actual = (
            paused
            | (wire.WANT_RETIRE if self._retired else 0)
            | (wire.WANT_DRAIN if self.draining else 0)
            | (wire.WANT_SWEEP if self.sweeping else 0)
        )
