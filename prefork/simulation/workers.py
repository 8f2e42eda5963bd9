"""One worker: what it is, what the master believes of it, and the view that the policy gets of both.

Theory. An order changes what the master believes at once (`obey`), and what the worker does a moment later (`act`), as
between two processes. Whether it accepts is one question, `accepts`. A view is made anew only for a worker that has
changed since the last look, or whose beat has grown old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.model import (
    Drain,
    ExitView,
    Kill,
    Owner,
    Pause,
    Phase,
    Resume,
    Retire,
    WorkerView,
)

if TYPE_CHECKING:
    from prefork.policy.model import KillStep, Reason, WorkerId

UNLIMITED = 1 << 62


class Birth(NamedTuple):
    """What a worker is born with."""

    id: WorkerId
    generation: int
    forked_at: int
    places: int
    """Sessions at one time."""
    left: int
    """Sessions that it may ever accept."""
    replaces: WorkerId | None = None


class Worker:
    """Its attributes are true of this moment. Instants in ns."""

    __slots__ = (
        "_view",
        "accepted",
        "birth",
        "boot_at",
        "born",
        "drain_by",
        "ends",
        "exiting",
        "gone",
        "hung_at",
        "id",
        "idle_since",
        "kill_step",
        "killed_at",
        "left",
        "ordered",
        "paused",
        "paused_by",
        "phase",
        "places",
        "ready_at",
        "retiring_at",
        "rung_at",
        "sessions",
    )

    def __init__(self, birth: Birth) -> None:
        self.birth = birth
        self.id = birth.id
        self.places = birth.places
        self.left = birth.left
        """Sessions until it is spent."""
        self.sessions = self.accepted = 0
        self.boot_at: int | None = None
        self.ready_at: int | None = None
        self.idle_since: int | None = None
        self.hung_at: int | None = None
        self.born = self.paused = self.ends = self.exiting = self.gone = False
        """`paused`, `ends`: as the worker acts on it; `exiting`: it runs its last lines; `gone`: reaped."""
        self.rung_at = 0
        """When it rings next, or rang last."""
        self.phase = Phase.BOOTING
        self.paused_by: frozenset[Owner] = frozenset()
        self.retiring_at: int | None = None
        self.drain_by: int | None = None
        self.kill_step: KillStep | None = None
        self.killed_at: int | None = None
        self.ordered: Reason | None = None
        self._view: WorkerView | None = None

    # -- the worker

    @property
    def accepts(self) -> bool:
        """Whether it takes the next connection."""
        return (
            self.sessions < self.places
            and self.left > 0
            and self.ready_at is not None
            and not (self.paused or self.ends or self.gone or self.hung_at is not None)
        )

    @property
    def is_done(self) -> bool:
        """Whether nothing keeps it any longer."""
        return self.ends and not (self.sessions or self.exiting or self.gone or self.hung_at is not None)

    def is_born(self, now: int) -> None:
        """It has a process, which spoke."""
        self.born = True
        self.has_its_turn(now)

    def has_its_turn(self, now: int) -> None:
        """Its boot is under way from now on: it is born, or those before it are."""
        self.boot_at = now
        self._view = None

    def becomes_ready(self, now: int) -> None:
        """Its loop can accept."""
        self.ready_at = self.idle_since = now
        if self.phase is Phase.BOOTING:
            self.phase = Phase.SERVING
        self._view = None

    def opens(self) -> None:
        """A place is taken."""
        self.sessions += 1
        self.accepted += 1
        self.left -= 1
        self.idle_since = None
        self._view = None

    def closes(self, now: int) -> None:
        """A place is given back."""
        self.sessions -= 1
        if not self.sessions:
            self.idle_since = now
        self._view = None

    def loses_all(self, now: int) -> int:
        """Its sessions are cut off; how many those were."""
        lost, self.sessions = self.sessions, 0
        self.idle_since = now
        self._view = None
        return lost

    def hangs(self, now: int) -> None:
        """Its loop turns no more."""
        self.hung_at = now
        self._view = None

    def act(self) -> bool:
        """Do what is wanted by now; False: it was told to retire and holds a session, so it stays."""
        self._view = None
        self.paused = bool(self.paused_by)
        self.ends = self.ends or self.drain_by is not None
        if self.retiring_at is None or self.ends:
            return True
        self.ends = not self.sessions
        if not self.ends:
            self.retiring_at = self.ordered = None
        return self.ends

    # -- the master's belief

    def obey(self, order: Pause | Resume | Retire | Drain | Kill, now: int) -> None:
        """The order is given, whatever comes of it."""
        self._view = None
        match order:
            case Pause():
                self.paused_by |= {Owner.POLICY}
            case Resume():
                self.paused_by -= {Owner.POLICY}
            case Retire():
                self.retiring_at, self.ordered = now, order.because.reason
            case Drain():
                self.phase, self.drain_by, self.ordered = Phase.DRAINING, order.by, order.because.reason
            case Kill():
                self.phase, self.kill_step, self.killed_at = Phase.KILLED, order.step, now
                self.ordered = order.because.reason

    def beat(self) -> None:
        """Its loop has turned since the last view, unless it hangs."""
        self._view = None

    def view(self, now: int) -> WorkerView:
        """What the policy sees; by position, in the order of WorkerView."""
        if self._view is None:
            heard = None if self.ready_at is None else now if self.hung_at is None else self.hung_at
            self._view = WorkerView(
                self.id,
                self.birth.generation,
                self.phase,
                self.birth.forked_at,
                self.ready_at,
                heard,
                self.idle_since,
                self.sessions,
                self.accepted,
                self.paused_by,
                self.birth.replaces,
                self.retiring_at,
                None,
                None,
                None,
                self.drain_by,
                self.kill_step,
                self.killed_at,
                None,
                self.left <= 0,
                self.born,
                self.boot_at,
            )
        return self._view

    def exit(self, seq: int, now: int, how: tuple[int | None, int | None]) -> ExitView:
        """What the policy is shown of its end; `how`: exit code, signal."""
        birth = self.birth
        lived = (seq, self.id, birth.generation, now, self.ready_at, birth.forked_at)
        return ExitView(*lived, self.ordered, True, *how)  # born: no fork is refused here
