"""What the policy sees, remembers and says: views, memory, decisions, reasons. Values only, no rule.

Theory. `decide(config, view, memory) -> Plan` is a pure function of three values. A *view* holds facts and goals at one
instant. *Memory* holds estimates and windows; it goes in, comes out changed inside the plan, and survives JSON. A
*plan* holds decisions (each with the reason and the figures that led to it), what was wanted and withheld, and the
instant of the next look. Every `*_at` and `*_by` is an integer monotonic instant in nanoseconds, every figure ending in
`_ns` a duration in nanoseconds, in `_bytes` a size. Views are NamedTuples: a thousand of them are built per look.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple, NewType

WorkerId = NewType("WorkerId", int)
"""Counts from 1, never reused by one master."""


class Phase(StrEnum):
    """Where a worker is in its life; it only ever moves down this list."""

    BOOTING = "booting"
    SERVING = "serving"
    DRAINING = "draining"
    KILLED = "killed"


class Owner(StrEnum):
    """Who paused: each party resumes only its own pause."""

    OPERATOR = "operator"
    APP = "app"
    POLICY = "policy"


class MoldPhase(StrEnum):
    """STARTING imports the app; READY forks workers; ENDING was told to go. FAILED and GONE have no process left."""

    STARTING = "starting"
    READY = "ready"
    ENDING = "ending"
    FAILED = "failed"
    GONE = "gone"


class KillStep(StrEnum):
    """The ladder of a kill: print all stacks, SIGABRT, SIGKILL."""

    DUMP = "dump"
    ABORT = "abort"
    KILL = "kill"


class Reason(StrEnum):
    """Why a decision was taken or withheld: the label of the log line, the metric, `status` and `why`."""

    # a worker's end
    STOPPING = "stopping"
    OVERSTAYED_DRAIN = "overstayed_drain"
    BOOT_TIMEOUT = "boot_timeout"
    SILENT_SPINNING = "silent_spinning"
    SILENT_BLOCKED = "silent_blocked"
    HARD_RSS = "hard_rss"
    OLD_GENERATION = "old_generation"
    MAX_AGE = "max_age"
    MAX_SERVED = "max_served"
    MAX_RSS = "max_rss"
    MAX_IDLE = "max_idle"
    REPLACED = "replaced"
    """Its successor serves, and the limit that called for it is no longer passed."""
    SURPLUS = "surplus"
    EMPTIED = "emptied"
    """It was paused as surplus, and its last session is over."""
    REQUESTED = "requested"
    # a worker's birth
    START = "start"
    BELOW_MIN = "below_min"
    FEW_SPARES = "few_spares"
    DEMAND = "demand"
    STATIC_SIZE = "static_size"
    SCALE = "scale"
    PROBE = "probe"
    # molds and the pool
    FIRST_MOLD = "first_mold"
    RELOAD = "reload"
    MOLD_GONE = "mold_gone"
    MOLD_SUPERSEDED = "mold_superseded"
    IMPORT_TIMEOUT = "import_timeout"
    NEVER_READY = "never_ready"
    HARD_RSS_TOO_LOW = "hard_rss_too_low"
    # why something wanted was withheld
    AT_MAX = "at_max"
    GROWTH = "growth"
    """The pool at most doubles in the time of a birth, and a mold makes one worker at a time."""
    NO_MOLD = "no_mold"
    CRASH_TOKENS = "crash_tokens"
    OUTSIDE_TOKENS = "outside_tokens"
    FORK_FAILED = "fork_failed"
    MAX_UNAVAILABLE = "max_unavailable"
    MAX_SURGE = "max_surge"


Figure = int | str
Figures = tuple[tuple[str, Figure], ...]
"""The named numbers that led to a verdict, in the order in which a sentence would tell them."""


class Because(NamedTuple):
    """A reason with its figures; recomputed from them, the verdict is the same."""

    reason: Reason
    figures: Figures = ()


class WorkerView(NamedTuple):
    """One worker at one instant, as the master believes it to be."""

    id: WorkerId
    generation: int
    phase: Phase
    forked_at: int
    """FORK was sent to the mold."""
    ready_at: int | None = None
    """Its loop could accept; None while BOOTING."""
    heard_at: int | None = None
    """Its loop's last heartbeat; None before READY."""
    idle_since: int | None = None
    """It has held no session since then; None: it holds one, or isn't READY."""
    sessions: int = 0
    accepted: int = 0
    """Sessions it ever accepted; never falls."""
    paused_by: frozenset[Owner] = frozenset()
    replaces: WorkerId | None = None
    """The worker whose place it was born to take."""
    retiring_at: int | None = None
    """It was told to retire and has not answered."""
    rss: int | None = None
    """Resident bytes; None: unknown."""
    boot_rss: int | None = None
    """Resident bytes at READY; None: unknown."""
    cpu_ns: int | None = None
    """CPU time burnt since `heard_at`; None: unknown (asked of the kernel only for a worker that looks silent)."""
    drain_by: int | None = None
    """Deadline of its drain; None unless DRAINING or KILLED after a drain."""
    kill_step: KillStep | None = None
    killed_at: int | None = None
    """When `kill_step` was ordered."""
    drain_wanted: Owner | None = None
    """The operator, or the app's own code, asked for its drain."""
    spent: bool = False
    """Its gate is shut for good: it has accepted all the sessions of its life."""
    born: bool = True
    """It has a process that spoke; False: its mold has not got so far."""
    boot_at: int | None = None
    """Since when its boot is under way: its birth, and until then its mold's last one, for births are in series.

    None: since FORK.
    """
    full: bool = False
    """Its gate says that it holds as many sessions as it can: a loop may hold fewer than max_sessions."""


class MoldView(NamedTuple):
    """One mold process; at most one READY mold per generation."""

    generation: int
    phase: MoldPhase
    since_at: int
    """When it entered this phase."""
    import_timeout_ns: int | None = None
    """Of the config that it was started with; None: the pool's."""


class ExitView(NamedTuple):
    """One worker's end, numbered by `seq` (from 1, without holes) so that memory knows which it has judged."""

    seq: int
    worker: WorkerId
    generation: int
    at: int
    ready_at: int | None
    forked_at: int
    ordered: Reason | None
    """Why prefork had ordered it to end; None: it had not."""
    born: bool = True
    """False: fork failed, or the mold died before the worker spoke."""
    code: int | None = None
    signal: int | None = None
    oom: bool = False
    """SIGKILL while the cgroup's oom_kill counter moved."""


class PoolView(NamedTuple):
    """The pool at one instant: facts and goals."""

    now: int
    seed: int
    """Drawn once by the master; jitter is a hash of it and a worker's id."""
    generation: int
    """The generation that births belong to; 0 before the first mold is READY."""
    workers: tuple[WorkerView, ...] = ()
    molds: tuple[MoldView, ...] = ()
    exits: tuple[ExitView, ...] = ()
    """Ends not yet judged, oldest first."""
    queue: int | None = None
    """Connections that wait in the accept queues of all listeners; None: unknown."""
    stop_at: int | None = None
    """A stop was ordered: workers drain from this instant; None: no stop."""
    stop_by: int | None = None
    """The stop's deadline; only ever moved earlier."""
    scale: int | None = None
    """The operator's number of workers; replaces need."""
    paused: bool = False
    """The operator paused the pool: no sizing, newcomers are born paused."""
    reload_wanted: bool = False
    import_timeout_ns: int | None = None
    """Of the config that a reload would start a mold with; None: the pool's."""
    # totals of this master's life, workers that are gone included: they never fall
    arrivals: int = 0
    """Connections accepted."""
    completions: int = 0
    """Sessions that ended."""
    held_ns: int = 0
    """Session time: each session's length so far."""
    busy_ns: int = 0
    """Time that loops spent in turns; where sessions have no cap, how much of the workers was used (`master.usage`)."""
    spawn_ns: int | None = None
    """From FORK to READY, as lately measured, in a batch too; None: unknown."""
    places: int | None = None
    """Sessions that a worker's loop itself can hold; None: as many as come, or nobody serves yet."""


class Spawn(NamedTuple):
    """Fork one worker of `generation`; `replaces` names the worker that it will relieve."""

    generation: int
    because: Because
    replaces: WorkerId | None = None
    kind: Literal["spawn"] = "spawn"


class Pause(NamedTuple):
    """Stop accepting, on behalf of POLICY."""

    worker: WorkerId
    because: Because
    kind: Literal["pause"] = "pause"


class Resume(NamedTuple):
    """Take POLICY's own pause back."""

    worker: WorkerId
    because: Because
    kind: Literal["resume"] = "resume"


class Retire(NamedTuple):
    """Exit if you hold no session when you read this, else decline."""

    worker: WorkerId
    because: Because
    kind: Literal["retire"] = "retire"


class Drain(NamedTuple):
    """Finish your sessions and exit, at the latest at `by`."""

    worker: WorkerId
    by: int
    because: Because
    kind: Literal["drain"] = "drain"


class Kill(NamedTuple):
    """Take one step down the ladder."""

    worker: WorkerId
    step: KillStep
    because: Because
    kind: Literal["kill"] = "kill"


class StartMold(NamedTuple):
    """Start a mold that will be `generation` when READY."""

    generation: int
    because: Because
    kind: Literal["start_mold"] = "start_mold"


class EndMold(NamedTuple):
    """End the mold of `generation`: by closing its channel, or by SIGKILL where `force` is true."""

    generation: int
    force: bool
    because: Because
    kind: Literal["end_mold"] = "end_mold"


class GiveUp(NamedTuple):
    """Stop the whole pool with exit code 4: nobody ever became READY, or nobody may live under `hard_rss`."""

    because: Because
    kind: Literal["give_up"] = "give_up"


Decision = Spawn | Pause | Resume | Retire | Drain | Kill | StartMold | EndMold | GiveUp


class Withheld(NamedTuple):
    """`count` of `want` would have been ordered, but for `because`."""

    want: Literal["spawn", "replace", "start_mold"]
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody asks of a record
    because: Because
