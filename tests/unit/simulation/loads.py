"""Loads and hosts of the simulator's tests, in milliseconds: a test reads like a transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.config import PoolConfig, RecycleConfig, StaticSizing
from prefork.policy.engine import decide
from prefork.policy.memory import Memory, Plan
from prefork.simulation import Host, Replay, Run

if TYPE_CHECKING:
    from prefork.policy.model import Decision, PoolView

MS = 1_000_000
ORIGIN = 1_000_000 * MS
"""The clock of a run as its traffic begins."""
PROMPT = Host(spawn_time="100ms", order_delay="1ms", exit_time="10ms", lull="0s")


def listed(*sessions: tuple[int, int], lasts: int = 1000) -> Replay:
    """(arrival, length), in ms."""
    return Replay([(at * MS, length * MS) for at, length in sessions], lasts=lasts / 1000)


def fixed(workers: int, places: int = 1, recycle: RecycleConfig | None = None) -> PoolConfig:
    """So many workers, with so many places each."""
    sizing = StaticSizing(workers=workers)
    return PoolConfig(sizing=sizing, max_sessions=places, recycle=recycle or RecycleConfig(jitter=0))


def waits(run: Run) -> dict[int, int]:
    """How many waited how long, in ms."""
    return {round(ns / MS): times for ns, times in run.waits.bars()}


def said(run: Run, *, start: bool = False) -> list[tuple[int, str, str]]:
    """(ms, kind, reason) of each decision, without those that brought the pool up."""
    told = [(round(one.at * 1000), str(one.decision.kind), str(one.decision.because.reason)) for one in run.decisions]
    return told if start else [one for one in told if one[0] > 0]


class Scripted:
    """A policy that brings the pool up, and then says what is written for its instants (ms), whatever it sees."""

    def __init__(self, *script: tuple[int, Decision]) -> None:
        self.script = [(ORIGIN + at * MS, decision) for at, decision in script]

    def __call__(self, config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        if view.now == ORIGIN:
            return decide(config, view, memory)._replace(next_check_at=self.script[0][0])
        due = [decision for at, decision in self.script if at <= view.now]
        self.script = self.script[len(due) :]
        return Plan(tuple(due), (), self.script[0][0] if self.script else None, memory)
