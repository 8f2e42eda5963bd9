"""What is told of a worker, or of an instant, from looks and notes: of the right pool, with all that came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork.cli.moments import clock, gap_text
from prefork.journal.entries import Entry, Gap, Key, Look, Note
from prefork.journal.moments import Window, around
from prefork.journal.story import Event, Storyteller
from prefork.policy.config import PoolConfig
from prefork.policy.memory import Memory
from prefork.policy.model import (
    Because,
    Decision,
    Drain,
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
ONE, TWO, THREE = map(WorkerId, (1, 2, 3))
BELOW = Because(Reason.BELOW_MIN, (("n", 0), ("min_workers", 1)))
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


SECOND = 1000 * MS
HANGS: list[Entry] = [
    *BORN,
    look(5 * MS, workers=1),
    look(5 * SECOND, Kill(ONE, KillStep.DUMP, HUNG), withheld=[AT_MAX], workers=1),
    look(5 * SECOND + 300 * MS, Kill(ONE, KillStep.ABORT, HUNG), workers=1),
    Note(5 * SECOND + 310 * MS, "ended", ONE, "SIGABRT", "a stack"),
    look(5 * SECOND + 311 * MS, Spawn(1, BELOW), withheld=[AT_MAX]),
    Note(5 * SECOND + 311 * MS, "spawned", TWO),
    Note(90 * SECOND, "ended", THREE, "exit code 0"),
]


def moment(entries: list[Entry], began: int | None = None, long: int = SECOND) -> list[tuple[int | None, str]]:
    """As it is told of all, or of a stretch from an instant on."""
    return whats(around(told(*entries), None if began is None else Window(began, began + long - 1)))


def test_a_hang_is_told_from_the_first_step_to_the_successor() -> None:
    hang = [(1, "killed (dump)"), (1, "killed (abort)"), (1, "ended"), (2, "born"), (None, "withheld")]
    assert moment(HANGS, 5 * SECOND) == hang
    assert moment(HANGS, 7 * SECOND) == hang  # nothing happened then: the last that did
    assert moment(HANGS) == [*hang, (3, "ended")]
    events = around(told(*HANGS), Window(5 * SECOND, 6 * SECOND))
    assert events[2].detail == "a stack"


def test_what_came_of_a_decision_may_be_later_than_the_time_that_is_asked_for() -> None:
    assert moment(HANGS, 5 * SECOND, 10 * MS)[:3] == [(1, "killed (dump)"), (None, "withheld"), (1, "killed (abort)")]
    assert moment(HANGS, 5 * SECOND, 10 * MS)[3:] == [(1, "ended")]
    assert moment(HANGS, 0, MS) == [
        (1, "born"),
        (1, "ready"),
        (1, "killed (dump)"),
        (1, "killed (abort)"),
        (1, "ended"),
    ]
    assert around(told(*HANGS), Window(-SECOND, -1)) == []


def test_a_newborn_is_followed_for_a_minute_and_who_was_told_to_go_to_the_end() -> None:
    lives: list[Entry] = [*BORN, look(61 * SECOND, workers=1), Note(62 * SECOND, "ended", ONE, "exit code 1")]
    assert moment(lives, 0, MS) == [(1, "born"), (1, "ready")]
    drained = look(2 * SECOND, Drain(ONE, 9, HUNG), workers=1)
    goes: list[Entry] = [*BORN, drained, *lives[2:]]
    assert moment(goes, 2 * SECOND) == [(1, "told to drain"), (1, "ended")]


@pytest.mark.parametrize("later", [pytest.param(MS, id="at once"), pytest.param(8 * SECOND, id="a probe, after 8 s")])
def test_a_birth_is_told_with_the_ends_that_led_to_it(later: int) -> None:
    dies: list[Entry] = [
        *BORN,
        Note(20 * SECOND - MS, "failed", ONE, "x", "frames"),
        Note(20 * SECOND, "ended", ONE, "exit code 7"),
        look(20 * SECOND + later, Spawn(1, BELOW)),
        Note(20 * SECOND + later, "spawned", TWO),
        look(50 * SECOND, Spawn(1, BELOW)),
        Note(50 * SECOND, "spawned", THREE),
    ]
    died = [(1, "failed"), (1, "ended"), (2, "born")]
    assert moment(dies[:-2]) == died
    assert moment(dies, 20 * SECOND + later, MS) == died
    assert moment(dies)[-1] == (3, "born")
    assert (1, "ended") not in moment(dies)  # it led to the birth before


def test_what_is_withheld_is_told_with_the_largest_count() -> None:
    grows = [look(at * MS, withheld=[AT_MAX._replace(count=count)]) for at, count in enumerate([2, 2, 18, 5], 1)]
    texts = [each.text for each in told(*grows)]
    assert [text.partition(":")[0] for text in texts] == ["2 more births were wanted", AT_MOST]
    born = look(9 * MS, Spawn(1, START), withheld=[AT_MAX._replace(count=4)])
    (held,) = [each for each in around(told(*grows, born, Note(9 * MS, "spawned", ONE)), None) if each.worker is None]
    assert held.text.startswith("4 more births were wanted (18 at most, 0.006 s before): ")


AT_MOST = "18 more births were wanted (the most in 0.002 s)"


def test_births_come_with_what_was_withheld_at_their_look() -> None:
    assert moment([look(1, Spawn(1, START), withheld=[AT_MAX]), Note(1, "spawned", ONE)]) == [
        (1, "born"),
        (None, "withheld"),
    ]


def test_what_a_shadow_would_have_done_is_told_beside_what_was_done() -> None:
    noted = Note(0, "shadow", None, "would do nothing; the pool does spawn 1 (start)")
    assert moment([BORN[0], noted, BORN[1]]) == [(None, "shadow"), (1, "born")]


def test_what_can_not_be_read_is_kept_beside_the_story() -> None:
    teller = Storyteller()
    gap = Gap("an entry is missing", 5 * MS, 3)
    assert whats(teller.tell([key(), BORN[0], gap, key(9 * MS)])) == [(None, "born")]
    assert teller.gaps == [gap]
    assert gap_text(gap) == f"an entry is missing after {clock(5 * MS)}, and 3 looks after it can't be told"
    assert gap_text(Gap("x", None, 1)) == "x before the first look, and 1 look after it can't be told"
