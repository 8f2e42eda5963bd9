"""Rules that judge one worker: stopping, boot, silence, the hard limit, a request. The first that speaks wins.

Theory. Each rule is the instant from which it speaks. Before it, that instant is when to look again; from then on, the
rule's decision stands. So a rule can't speak without having asked for the look, and no look is asked for in vain.
A kill goes down a ladder (dump of all stacks, abort, kill) of one step each 300 ms: within one second. Deadlines that a
frozen master or host could miss (silence, boot, import) are counted from the late wake-up, `awake_at`; the deadline of
a drain is an instant, and only ever moves earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.draft import LADDER_STEP_NS, because
from prefork.policy.model import Drain, Kill, KillStep, Phase, Reason
from prefork.policy.units import NS

if TYPE_CHECKING:
    from prefork.policy.limits import Limits
    from prefork.policy.model import Because, WorkerView

_BUSY_SHARE = 10
"""A silent worker that burnt a tenth of the time spins: a blocked one burns nothing, and on a loaded machine a spinning
one may get no more.
"""
LATE_NS = NS
"""A look that comes so much later than it was asked for tells of a frozen host."""

_SERVING = Phase.SERVING
_NEXT_STEP = {KillStep.DUMP: KillStep.ABORT, KillStep.ABORT: KillStep.KILL}


class Moment(NamedTuple):
    """What every rule of one look shares."""

    now: int
    awake_at: int
    limits: Limits
    stop_by: int | None
    """The stop's deadline, once it has begun; None: no stop, or not yet."""


Verdict = Kill | Drain | int | None
"""A decision, or the instant from which some rule would speak; None: never without a new fact."""


def judge(worker: WorkerView, at: Moment) -> Verdict:
    """Let the rules speak about one worker, in their order."""
    if at.stop_by is not None:
        return _stopping(worker, at, at.stop_by)
    if worker.phase is _SERVING:  # by far the most: worth a path of its own
        due = silent_at(worker, at)
        if due > at.now and worker.drain_wanted is None and not at.limits.hard_rss_bytes:
            return due
        return _silent(worker, at) if due <= at.now else (_too_large(worker, at) or _requested(worker, at) or due)
    match worker.phase:
        case Phase.BOOTING:
            return _boot(worker, at)
        case Phase.DRAINING:
            return _draining(worker, at)
        case _:
            return _ladder(worker, at)


def silent_at(worker: WorkerView, at: Moment) -> int:
    """Return the instant at which a worker that says nothing more is silent."""
    return heard_from(worker, at) + at.limits.heartbeat_timeout_ns


def still_silent_at(worker: WorkerView, at: Moment) -> int | None:
    """Return when a worker that is told to drain would be silent; None: a stop, or a boot, knows its deadline alone."""
    return None if at.stop_by is not None or worker.ready_at is None else silent_at(worker, at)


def heard_from(worker: WorkerView, at: Moment) -> int:
    """Return the instant from which silence is counted: the last beat, READY, or the late look."""
    heard, ready, awake = worker.heard_at, worker.ready_at, at.awake_at
    if heard is None:
        heard = worker.forked_at
    if ready is not None and ready > heard:
        heard = ready
    return heard if heard > awake else awake  # noqa: FURB136 - max() costs a thousand workers 0.1 ms


def _stopping(worker: WorkerView, at: Moment, stop_by: int) -> Verdict:
    """Drain everyone by the stop's deadline: the ladder for who overstays it, a kill at once where it was hurried."""
    own = worker.drain_by
    waits = own is not None and own <= stop_by
    if worker.phase is Phase.KILLED and (waits or stop_by > at.now or worker.kill_step is KillStep.KILL):
        return _ladder(worker, at)
    if own is not None and waits:
        return own if own > at.now else Kill(worker.id, KillStep.DUMP, _overstayed_reason(worker, at, own))
    if stop_by <= at.now:
        return Kill(worker.id, KillStep.KILL, because(Reason.STOPPING, stop_by=stop_by, late_ns=at.now - stop_by))
    return Drain(worker.id, stop_by, because(Reason.STOPPING, sessions=worker.sessions, stop_by=stop_by))


def _boot(worker: WorkerView, at: Moment) -> Verdict:
    due = max(boots_since(worker), at.awake_at) + at.limits.boot_timeout_ns
    if due > at.now:
        return _requested(worker, at) or due
    return Kill(worker.id, KillStep.DUMP, _boot_reason(worker, at))


def boots_since(worker: WorkerView) -> int:
    """Return the instant from which a boot is counted: who waits for its turn at the mold doesn't hang."""
    return worker.forked_at if worker.boot_at is None else max(worker.forked_at, worker.boot_at)


def _requested(worker: WorkerView, at: Moment) -> Drain | None:
    """Drain a worker whose own code, or the operator, asked for it."""
    if worker.drain_wanted is None:
        return None
    figures = because(Reason.REQUESTED, owner=str(worker.drain_wanted), sessions=worker.sessions)
    return Drain(worker.id, at.now + at.limits.drain_timeout_ns, figures)


def _draining(worker: WorkerView, at: Moment) -> Verdict:
    """Speak of the deadline first; a draining worker can hang or grow too."""
    by = worker.drain_by
    if by is not None and by <= at.now:
        return Kill(worker.id, KillStep.DUMP, _overstayed_reason(worker, at, by))
    if worker.ready_at is None:
        return by
    due = silent_at(worker, at)
    if due <= at.now:
        return _silent(worker, at)
    return _too_large(worker, at) or (due if by is None else min(due, by))


def _silent(worker: WorkerView, at: Moment) -> Kill:
    return Kill(worker.id, KillStep.DUMP, _silent_reason(worker, at))


def _too_large(worker: WorkerView, at: Moment) -> Kill | None:
    """Kill for memory, but never a worker that was as large when it was born: its successor would be too."""
    hard, rss = at.limits.hard_rss_bytes, worker.rss
    if not hard or rss is None or rss <= hard:
        return None
    if worker.boot_rss is not None and worker.boot_rss >= hard:
        return None
    figures = because(Reason.HARD_RSS, rss_bytes=rss, hard_rss_bytes=hard, sessions=worker.sessions)
    return Kill(worker.id, KillStep.KILL, figures)


def _ladder(worker: WorkerView, at: Moment) -> Verdict:
    """Return the next step of a kill, 300 ms after the last; after the last step there is only the reap."""
    if worker.killed_at is None or worker.kill_step is None or worker.kill_step is KillStep.KILL:
        return None
    due = worker.killed_at + LADDER_STEP_NS
    return due if due > at.now else Kill(worker.id, _NEXT_STEP[worker.kill_step], _killed_reason(worker, at))


def _killed_reason(worker: WorkerView, at: Moment) -> Because:
    """Say again why the ladder was begun: the facts of then still lie in the view; a late look since excuses nobody."""
    if worker.drain_by is not None and worker.killed_at is not None and worker.drain_by <= worker.killed_at:
        return _overstayed_reason(worker, at, worker.drain_by)
    then = at._replace(awake_at=0)
    return _boot_reason(worker, then) if worker.ready_at is None else _silent_reason(worker, then)


def _overstayed_reason(worker: WorkerView, at: Moment, by: int) -> Because:
    return because(Reason.OVERSTAYED_DRAIN, late_ns=at.now - by, sessions=worker.sessions)


def _boot_reason(worker: WorkerView, at: Moment) -> Because:
    boot_ns = at.now - max(boots_since(worker), at.awake_at)
    return because(Reason.BOOT_TIMEOUT, boot_ns=boot_ns, boot_timeout_ns=at.limits.boot_timeout_ns)


def _silent_reason(worker: WorkerView, at: Moment) -> Because:
    """Name what the silence looks like: CPU time tells a spinning loop from a blocked one, and extends nothing."""
    silent = at.now - heard_from(worker, at)
    spinning = worker.cpu_ns is not None and _BUSY_SHARE * worker.cpu_ns >= silent
    reason = Reason.SILENT_SPINNING if spinning else Reason.SILENT_BLOCKED
    cpu = "unknown" if worker.cpu_ns is None else worker.cpu_ns
    return because(reason, silent_ns=silent, heartbeat_timeout_ns=at.limits.heartbeat_timeout_ns, cpu_ns=cpu)
