"""The master's side of a journal: looks are kept for a moment and none is lost, in the order in which they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config import JournalConfig
from prefork.journal import Key, Look, Note, read, replay
from prefork.master.journal import MOST_KEPT, TOGETHER, Journal
from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.policy.memory import Memory, Plan
from prefork.policy.model import PoolView, WorkerId
from prefork.simulation import simulate
from tests.property.test_simulated import RUNS

if TYPE_CHECKING:
    from pathlib import Path

POOL = PoolConfig()


def test_every_look_is_there_and_is_decided_again_the_same(tmp_path: Path) -> None:
    journal = Journal(JournalConfig(path=tmp_path), dict)
    looks = []

    def watched(config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        plan = decide(config, view, memory)
        journal.looked(config, memory, view, plan)
        looks.append(Look(view, plan.decisions, plan.withheld, plan.next_check_at))
        return plan

    config, traffic, host = RUNS["workers are recycled under a wave"]
    simulate(config, traffic, 1, host, watched)
    journal.close()
    assert [entry for entry in read(tmp_path) if isinstance(entry, Look)] == looks
    assert sum(isinstance(entry, Key) for entry in read(tmp_path)) > 1
    assert replay(read(tmp_path)).same_decisions()


def test_what_is_kept_goes_before_what_comes_next(tmp_path: Path) -> None:
    journal = Journal(JournalConfig(path=tmp_path), dict)
    ended = Note(7 * TOGETHER, "ended", WorkerId(1), "exit code 0")

    def looked(at: int, pool: PoolConfig = POOL) -> None:
        journal.looked(pool, Memory(), PoolView(at, 1, 1), Plan((), (), None, Memory()))

    for step in range(3 * MOST_KEPT):
        looked(3 * TOGETHER + step)
    journal.note(ended)
    looked(8 * TOGETHER)
    looked(8 * TOGETHER + 1)
    looked(8 * TOGETHER + 2, PoolConfig(max_workers=3))
    journal.close()
    entries = [*read(tmp_path)]
    assert [type(each) for each in entries] == [Key, *[Look] * 3 * MOST_KEPT, Note, Look, Look, Key, Look]
    assert ended in entries


def test_what_is_missing_at_the_end_is_told_by_a_last_key(tmp_path: Path) -> None:
    journal = Journal(JournalConfig(path=tmp_path), dict)
    plan = decide(POOL, view := PoolView(1, 1, 1), Memory())
    journal.looked(POOL, Memory(), view, plan)
    journal._not_told = 3  # as if the scribe had said so since
    journal.close()
    assert [entry.dropped for entry in read(tmp_path) if isinstance(entry, Key)] == [0, 3]
    again = replay(read(tmp_path))
    assert (again.dropped, again.gaps) == (3, [])
