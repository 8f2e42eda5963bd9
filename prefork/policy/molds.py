"""Rules that judge molds: when one starts, is superseded, or overstayed.

Theory. A mold's generation is its name: only a reload takes a new number, and none is used twice; a mold that was lost
is started again under the pool's own generation, so that its coming back replaces no worker. A lost mold is restarted
at once the first time, then after 1 s, 2 s, 4 s …, until one has lasted for `healthy_after`. A mold that was asked for
a worker and has none born within `boot_timeout`, counted from its last birth, hangs (it is stopped, or a fork hook of
the app waits), and is ended. A first mold that failed to import ends the server, which is the master's business:
nothing is tried again here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.crash import backoff
from prefork.policy.draft import END_NS, because
from prefork.policy.model import EndMold, MoldPhase, Reason, StartMold
from prefork.policy.rules import boots_since
from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.policy.draft import Draft
    from prefork.policy.memory import Memory
    from prefork.policy.model import MoldView, PoolView
    from prefork.policy.rules import Moment


def rule_molds(draft: Draft, view: PoolView, memory: Memory, at: Moment) -> Memory:
    """Speak about every mold, then about the one that is missing."""
    forced: list[tuple[int, int]] = []
    molds: list[MoldView] = []
    for mold in sorted(view.molds):
        verdict = _judge(mold, view, at)
        if verdict is None and not memory.forced_molds:
            molds.append(mold)
            continue
        known = (mold.generation, mold.since_at)
        if isinstance(verdict, int):
            draft.wake(verdict)
        elif verdict is not None and known not in memory.forced_molds:
            draft.say(verdict)
        if known in memory.forced_molds or (isinstance(verdict, EndMold) and verdict.force):
            forced.append(known)
        ends = isinstance(verdict, EndMold)
        molds.append(mold._replace(phase=MoldPhase.ENDING) if ends else mold)
    memory = _remember(memory, view, molds, tuple(forced))
    return memory if at.stop_by is not None else _start(draft, view, molds, memory, at)


def _remember(memory: Memory, view: PoolView, molds: list[MoldView], forced: tuple[tuple[int, int], ...]) -> Memory:
    """Learn from molds; memory of molds that are as they were is the same one."""
    newest = max([memory.newest_mold, view.generation, *[mold.generation for mold in molds]])
    failed = not view.generation and (memory.first_mold_failed or _any(molds, MoldPhase.FAILED))
    if (forced, newest, failed) == (memory.forced_molds, memory.newest_mold, memory.first_mold_failed):
        return memory
    return memory._replace(forced_molds=forced, newest_mold=newest, first_mold_failed=failed)


def _judge(mold: MoldView, view: PoolView, at: Moment) -> EndMold | int | None:
    """Return the end of a mold, or the instant from which it would be ordered."""
    stopping = at.stop_by is not None
    match mold.phase:
        case MoldPhase.ENDING:
            due = mold.since_at + END_NS
            reason = Reason.STOPPING if stopping else Reason.MOLD_SUPERSEDED
            ended = EndMold(mold.generation, True, because(reason, ending_ns=at.now - mold.since_at))
            return due if due > at.now else ended
        case MoldPhase.STARTING | MoldPhase.READY if stopping:
            return EndMold(mold.generation, False, because(Reason.STOPPING))
        case MoldPhase.STARTING:
            since = max(mold.since_at, at.awake_at)
            timeout_ns = _import_timeout(mold, at)
            due = since + timeout_ns
            figures = because(Reason.IMPORT_TIMEOUT, import_ns=at.now - since, import_timeout_ns=timeout_ns)
            return due if due > at.now else EndMold(mold.generation, True, figures)
        case MoldPhase.READY if mold.generation < view.generation:
            figures = because(Reason.MOLD_SUPERSEDED, generation=view.generation)
            return EndMold(mold.generation, False, figures)
        case MoldPhase.READY:
            return _forking(mold, view, at)
    return None


def _forking(mold: MoldView, view: PoolView, at: Moment) -> EndMold | int | None:
    """Return the end of a mold that had `boot_timeout` for a worker and has none born: it hangs."""
    asked = [
        boots_since(worker)
        for worker in view.workers
        if not worker.born and worker.generation == mold.generation and worker.forked_at >= mold.since_at
    ]
    if not asked:
        return None
    since = max(min(asked), at.awake_at)
    due = since + at.limits.boot_timeout_ns
    figures = because(Reason.BOOT_TIMEOUT, boot_ns=at.now - since, boot_timeout_ns=at.limits.boot_timeout_ns)
    return due if due > at.now else EndMold(mold.generation, True, figures)


def _start(draft: Draft, view: PoolView, molds: list[MoldView], memory: Memory, at: Moment) -> Memory:
    """Start the mold that is missing once this plan is performed: the first, a new generation's, or a lost one's."""
    if _any(molds, MoldPhase.STARTING):
        return memory._replace(mold_lost_at=None)
    if view.reload_wanted and view.generation:
        draft.say(StartMold(memory.newest_mold + 1, because(Reason.RELOAD, generation=view.generation)))
        draft.wake(at.now + _import_timeout(view, at))
        return memory._replace(newest_mold=memory.newest_mold + 1, mold_lost_at=None)
    if not view.generation and not memory.newest_mold:
        draft.say(StartMold(1, because(Reason.FIRST_MOLD)))
        draft.wake(at.now + at.limits.import_timeout_ns)
        return memory._replace(newest_mold=1)
    current = view.generation or memory.newest_mold
    for mold in molds:
        if mold.generation == current and mold.phase in (MoldPhase.READY, MoldPhase.ENDING):
            return _lasting(mold, memory, at)
    return memory if memory.first_mold_failed else _restart(draft, current, memory, at)


def _lasting(mold: MoldView, memory: Memory, at: Moment) -> Memory:
    """Forget the restarts of a mold that has proved itself."""
    proved = mold.phase is MoldPhase.READY and at.now >= mold.since_at + at.limits.healthy_after_ns
    restarts = 0 if proved else memory.mold_restarts
    same = memory.mold_lost_at is None and memory.mold_restarts == restarts
    return memory if same else memory._replace(mold_lost_at=None, mold_restarts=restarts)


def _restart(draft: Draft, generation: int, memory: Memory, at: Moment) -> Memory:
    """Start a lost mold again: at once the first time, later after a doubling delay from when it was missed."""
    lost_at = at.now if memory.mold_lost_at is None else memory.mold_lost_at
    restarts = memory.mold_restarts
    due = lost_at + backoff(NS, restarts - 1, at.limits.max_delay_ns) if restarts else lost_at
    figures = because(Reason.MOLD_GONE, generation=generation, restarts=restarts, wait_ns=max(0, due - at.now))
    if due > at.now:
        draft.withhold("start_mold", 1, figures)
        draft.wake(due)
        return memory._replace(mold_lost_at=lost_at)
    draft.say(StartMold(generation, figures))
    draft.wake(at.now + at.limits.import_timeout_ns)
    return memory._replace(mold_lost_at=None, mold_restarts=restarts + 1)


def _import_timeout(known: MoldView | PoolView, at: Moment) -> int:
    """Return the import_timeout of the mold's own config, which after a reload isn't the pool's yet."""
    return at.limits.import_timeout_ns if known.import_timeout_ns is None else known.import_timeout_ns


def _any(molds: Iterable[MoldView], phase: MoldPhase) -> bool:
    return phase in [mold.phase for mold in molds]
