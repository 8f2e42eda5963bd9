"""What exits cost: crash tokens, probes, outside kills, forks that failed; and what may be born in spite of them.

Theory. A crash takes one of `burst` tokens, and one comes back each `refill`. A bucket is kept as what is spent of it
(integer ns, a token is worth `refill`), so a full bucket is 0 and needs no config to begin with. While tokens last,
refill is immediate. A crash that finds none makes the pool *degraded*: one birth at a time, a probe, after 1 s, 2 s,
4 s …, until one probe lives for `healthy_after`. A READY worker ended by a signal that isn't a fault was killed from
outside: that bucket may go into debt, and only debt withholds births; but while fewer than min_workers are up, or
nobody serves, there is one birth at a time, a second after the last. Surviving workers are never ended for any of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.draft import because
from prefork.policy.model import MoldPhase, Phase, Reason
from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.policy.births import Pool
    from prefork.policy.limits import Limits
    from prefork.policy.memory import Memory
    from prefork.policy.model import Because, ExitView, PoolView, WorkerView

UNLIMITED = 1 << 62
_SIGKILL = 9
_FAULTS = frozenset({4, 5, 6, 7, 8, 11, 31})
"""SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: what a process does to itself (signal(7), x86 and arm)."""
_FORK_DELAY_NS = NS // 10


class Allowance(NamedTuple):
    """How many workers may be born in this plan."""

    births: int
    because: Because | None = None
    """Why not more."""
    retry_at: int | None = None
    """When that may change by itself."""
    probe: Because | None = None
    """The one birth is a probe."""
    spent: int = 0
    """Births that this plan has ordered already."""


_ALL = Allowance(UNLIMITED)


def is_crash(exit_: ExitView, healthy_after_ns: int) -> bool:
    """Tell whether the worker failed by itself, before it was healthy."""
    if not exit_.born:
        return False
    if exit_.ordered is not None:
        return exit_.ordered is Reason.BOOT_TIMEOUT
    if exit_.ready_at is None:
        return True
    if exit_.at - exit_.ready_at >= healthy_after_ns:
        return False
    return exit_.signal is None or exit_.signal in _FAULTS or (exit_.signal == _SIGKILL and exit_.oom)


def is_outside(exit_: ExitView, healthy_after_ns: int) -> bool:
    """Tell whether a READY worker was killed by somebody else."""
    alone = exit_.born and exit_.ordered is None and exit_.ready_at is not None and exit_.signal is not None
    return alone and not is_crash(exit_, healthy_after_ns)


def learn(view: PoolView, limits: Limits, memory: Memory, now: int) -> Memory:
    """Return memory with time passed, exits judged, probes that proved healthy."""
    elapsed = 0 if memory.last_now is None else now - memory.last_now
    if memory.crash_spent_ns or memory.outside_spent_ns:
        memory = memory._replace(
            crash_spent_ns=max(0, memory.crash_spent_ns - elapsed),
            outside_spent_ns=max(0, memory.outside_spent_ns - elapsed),
        )
    if view.generation != memory.generation:
        memory = memory._replace(generation=view.generation, crash_spent_ns=0, degraded_at=None, failed_probes=0)
    for exit_ in sorted(view.exits):
        if exit_.seq > memory.exits_seen:
            youngest = max(memory.last_gone_forked_at, exit_.forked_at)
            memory = _judge(exit_, limits, memory, now)
            memory = memory._replace(exits_seen=exit_.seq, last_gone_forked_at=youngest)
    return _see_ready(view.workers, limits, memory, now)


def allowance(view: PoolView, pool: Pool, memory: Memory, now: int) -> Allowance:
    """Return how many may be born now, whatever they are wanted for."""
    if view.generation not in [mold.generation for mold in view.molds if mold.phase is MoldPhase.READY]:
        return Allowance(0, because(Reason.NO_MOLD, generation=view.generation))
    if memory.fork_failures and memory.fork_retry_at > now:
        figures = because(Reason.FORK_FAILED, failures=memory.fork_failures, wait_ns=memory.fork_retry_at - now)
        return Allowance(0, figures, memory.fork_retry_at)
    indebted = _indebted(view, pool, memory, now)
    if indebted.births and memory.degraded_at is not None:
        probing = _probing(pool.survivors, pool.limits, memory, now, memory.degraded_at)
        instants = [at for at in (probing.retry_at, indebted.retry_at) if at is not None]
        return probing._replace(retry_at=min(instants, default=None))
    return indebted


def _judge(exit_: ExitView, limits: Limits, memory: Memory, now: int) -> Memory:
    if not exit_.born:
        return _fork_failed(exit_, limits, memory, now)
    if is_outside(exit_, limits.healthy_after_ns):
        debt = min(memory.outside_spent_ns + limits.refill_ns, 2 * limits.outside_burst * limits.refill_ns)
        memory = memory._replace(outside_spent_ns=debt)
    elif is_crash(exit_, limits.healthy_after_ns):
        memory = _crashed(exit_, limits, memory, now)
    if exit_.ready_at is None:
        return memory
    memory = _forks_again(memory._replace(ever_ready=True), exit_.ready_at)
    if _is_probe(exit_, memory) and exit_.at - exit_.ready_at >= limits.healthy_after_ns:
        memory = memory._replace(degraded_at=None, failed_probes=0)
    return memory


def _crashed(exit_: ExitView, limits: Limits, memory: Memory, now: int) -> Memory:
    """Take a token; without one the pool is degraded, or its probe has failed."""
    spent = memory.crash_spent_ns + limits.refill_ns
    if spent <= limits.crash_burst * limits.refill_ns:
        memory = memory._replace(crash_spent_ns=spent)
    elif memory.degraded_at is None:
        delay = min(limits.max_delay_ns, NS)
        return memory._replace(degraded_at=now, failed_probes=0, probe_at=now + delay)
    if not _is_probe(exit_, memory):
        return memory
    failed = memory.failed_probes + 1
    return memory._replace(failed_probes=failed, probe_at=now + backoff(NS, failed, limits.max_delay_ns))


def backoff(first_ns: int, doublings: int, max_delay_ns: int) -> int:
    """Return the doubled delay, capped; the shift is too, since failures may go on for a year."""
    return min(max_delay_ns, first_ns << min(doublings, 64))


def _fork_failed(exit_: ExitView, limits: Limits, memory: Memory, now: int) -> Memory:
    """Count once what was asked for together: only a fork asked for after the last failure adds to it."""
    if memory.fork_failures and exit_.forked_at <= memory.fork_failed_at:
        return memory
    delay = backoff(_FORK_DELAY_NS, memory.fork_failures, limits.max_delay_ns)
    return memory._replace(fork_failures=memory.fork_failures + 1, fork_failed_at=now, fork_retry_at=now + delay)


def _forks_again(memory: Memory, ready_at: int) -> Memory:
    return memory._replace(fork_failures=0) if memory.fork_failures and ready_at > memory.fork_failed_at else memory


def _see_ready(workers: Sequence[WorkerView], limits: Limits, memory: Memory, now: int) -> Memory:
    """Learn from workers that became READY; nothing is looked at where nothing hangs on it."""
    if memory.ever_ready and not memory.fork_failures and memory.degraded_at is None:
        return memory
    for worker in workers:
        if worker.ready_at is not None:
            memory = _forks_again(memory._replace(ever_ready=True), worker.ready_at)
            healthy = worker.phase is Phase.SERVING and now >= worker.ready_at + limits.healthy_after_ns
            if healthy and _is_probe(worker, memory):
                memory = memory._replace(degraded_at=None, failed_probes=0)
    return memory


def _is_probe(one: WorkerView | ExitView, memory: Memory) -> bool:
    return memory.degraded_at is not None and one.forked_at >= memory.degraded_at


def _indebted(view: PoolView, pool: Pool, memory: Memory, now: int) -> Allowance:
    """Allow all without debt; in debt, while too few are up, one birth when the last is READY and a second old."""
    debt = memory.outside_spent_ns - pool.limits.outside_burst * pool.limits.refill_ns
    if debt <= 0:
        return _ALL
    members, paid_at = pool.census.members, now + debt
    serving = sum(worker.phase is Phase.SERVING for worker in members)
    due = max([memory.last_gone_forked_at, *(worker.forked_at for worker in view.workers)]) + NS
    figures = because(Reason.OUTSIDE_TOKENS, outside_burst=pool.limits.outside_burst, debt_ns=debt)
    if serving < len(members) or 0 < serving >= pool.limits.min_workers:
        return Allowance(0, figures, paid_at)
    return Allowance(0, figures, min(due, paid_at)) if due > now else Allowance(1, figures, paid_at)


def _probing(survivors: Sequence[WorkerView], limits: Limits, memory: Memory, now: int, since: int) -> Allowance:
    """Allow one probe at a time, when its instant has come."""
    probes = [worker for worker in survivors if worker.forked_at >= since]
    wait_ns = max(0, memory.probe_at - now)
    figures = because(
        Reason.CRASH_TOKENS,
        crash_burst=limits.crash_burst,
        failed_probes=memory.failed_probes,
        probes=len(probes) if probes or wait_ns else 1,  # the one that is allowed now
        wait_ns=wait_ns,
    )
    if probes:
        healthy = [worker.ready_at + limits.healthy_after_ns for worker in probes if worker.ready_at is not None]
        return Allowance(0, figures, min(healthy, default=None))
    if memory.probe_at > now:
        return Allowance(0, figures, memory.probe_at)
    return Allowance(1, figures, None, because(Reason.PROBE, failed_probes=memory.failed_probes))
