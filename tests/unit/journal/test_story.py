"""What is told of a worker, or of an instant, from looks and notes: of the right pool, with all that came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.journal.entries import Entry, Key, Look, Note
from prefork.journal.story import Event, Storyteller, last_of
from prefork.policy.config import PoolConfig
from prefork.policy.memory import Memory
from prefork.policy.model import (
    Because,
    Decision,
    Kill,
    KillStep,
    Phase,
    PoolView,
    Reason,
    Spawn,
    Withheld,
    WorkerId,
    WorkerView,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MS = 1_000_000
ONE, TWO = WorkerId(1), WorkerId(2)
START = Because(Reason.START, (("n", 0), ("start_workers", 1)))
AT_MAX = Withheld("spawn", 2, Because(Reason.AT_MAX, (("live", 1), ("wanted", 2), ("max_workers", 1))))
HUNG = Because(Reason.SILENT_BLOCKED, (("silent_ns", 1), ("heartbeat_timeout_ns", 1), ("cpu_ns", 0)))


def key(now: int = 0) -> Key:
    return Key(now, now, PoolConfig().model_dump(mode="json"), {}, Memory())


def look(now: int, *decisions: Decision, seed: int = 1, workers: int = 0, withheld: Iterable[Withheld] = ()) -> Look:
    """With so many workers, which were ready 3 ms after they were ordered at 0."""
    serving = tuple(WorkerView(WorkerId(one), 1, Phase.SERVING, 0, ready_at=3 * MS) for one in range(1, workers + 1))
    return Look(PoolView(now, seed, 1, serving), decisions, tuple(withheld), None)


def told(*entries: Entry) -> list[Event]:
    return [*Storyteller().tell([key(), *entries])]


def whats(events: Iterable[Event]) -> list[tuple[int | None, str]]:
    return [(each.worker, each.what) for each in events]


BORN: list[Entry] = [look(0, Spawn(1, START)), Note(0, "spawned", ONE)]


def test_who_is_ready_at_the_next_look_is_told_to_be_ready() -> None:
    events = told(*BORN, look(9 * MS, workers=1), look(10 * MS, workers=1))
    assert whats(events) == [(1, "born"), (1, "ready")]
    assert (events[1].unix_ns, events[1].text) == (3 * MS, "3.0 ms after its birth")


def test_who_was_ready_before_the_journal_is_no_news() -> None:
    assert told(look(9 * MS, workers=2)) == []


def test_what_is_withheld_is_told_when_it_begins_though_nothing_is_decided() -> None:
    events = told(look(1), look(2, withheld=[AT_MAX]), look(3, withheld=[AT_MAX]), look(4), look(5, withheld=[AT_MAX]))
    assert [(each.unix_ns, each.what) for each in events] == [(2, "withheld"), (5, "withheld")]
    assert events[0].text == "2 more births were wanted: 1 worker lived and 2 more were wanted; max_workers is 1"


def test_two_pools_in_one_journal_are_kept_apart() -> None:
    ended = Note(20 * MS, "ended", ONE, "SIGTERM")
    other: list[Entry] = [
        look(30 * MS, Spawn(1, START), seed=2),
        Note(30 * MS, "spawned", ONE),
        Note(40 * MS, "ended", ONE, "x"),
    ]
    kill = look(10 * MS, Kill(ONE, KillStep.KILL, HUNG), workers=1)
    events = told(*BORN, kill, ended, key(30 * MS), *other)
    assert [(each.pool_ns, each.what) for each in events] == [
        (0, "born"),
        (0, "ready"),
        (0, "killed (kill)"),
        (0, "ended"),
        (30 * MS, "born"),
        (30 * MS, "ended"),
    ]
    assert events[-1].text == "x; nobody had ordered it"  # the other pool's worker 1 was


HANGS: list[Entry] = [
    *BORN,
    look(5 * MS, workers=1),
    look(10 * MS, Kill(ONE, KillStep.DUMP, HUNG), withheld=[AT_MAX], workers=1),
    look(12 * MS, workers=1),
    look(13 * MS, withheld=[AT_MAX], workers=1),
    Note(20 * MS, "ended", ONE, "SIGABRT", "a stack"),
    Note(21 * MS, "ended", TWO, "exit code 0"),
]


def test_the_last_decision_comes_with_what_was_withheld_since_and_what_came_of_it() -> None:
    found = last_of(told(*HANGS), None)
    assert whats(found) == [(1, "killed (dump)"), (None, "withheld"), (1, "ended")]
    assert found[1].unix_ns == 13 * MS
    assert found[-1].detail == "a stack"


def test_what_came_of_a_decision_may_be_later_than_the_time_that_is_asked_for() -> None:
    assert whats(last_of(told(*HANGS), 11 * MS)) == [(1, "killed (dump)"), (None, "withheld"), (1, "ended")]
    assert whats(last_of(told(*HANGS), 1)) == [(1, "born"), (1, "ready")]


def test_births_come_with_what_was_withheld_at_their_look() -> None:
    found = last_of(told(look(1, Spawn(1, START), withheld=[AT_MAX]), Note(1, "spawned", ONE)), None)
    assert sorted(whats(found), key=str) == [(1, "born"), (None, "withheld")]
