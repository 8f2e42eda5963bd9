"""The listener watch as a transcript of instants."""

from __future__ import annotations

from prefork.master.watch import CALM_GAP, GAP, LONG_GAP, STUCK, ListenerWatch
from prefork.policy.model import WorkerId

MS = 1_000_000
ONE, TWO = WorkerId(1), WorkerId(2)


class Transcript:
    """A watch over one listener, and what it armed."""

    def __init__(self) -> None:
        self.watch = ListenerWatch(1)
        self.armed: list[int] = []
        self.turn(0)

    def turn(self, now: int) -> None:
        self.watch.arm_due(now, lambda _index: self.armed.append(now))

    def keep_firing(self, since: int, until: int) -> int:
        """The listener stays readable: it fires as soon as it is armed; the last instant."""
        now = since
        if not self.watch.readable:
            self.watch.fired(0, now)
        while now < until:
            now += GAP
            self.turn(now)
            self.watch.fired(0, now)
        return now


def test_a_listener_is_armed_at_the_start_and_then_waited_for() -> None:
    watched = Transcript()
    assert watched.armed == [0]
    assert watched.watch.next_at is None


def test_a_listener_that_fired_is_armed_again_after_the_gap_and_not_before() -> None:
    watched = Transcript()
    watched.watch.fired(0, 10 * MS)
    assert watched.watch.next_at == 10 * MS + GAP
    watched.turn(10 * MS + GAP - 1)
    assert watched.armed == [0]
    watched.turn(10 * MS + GAP)
    assert watched.armed == [0, 10 * MS + GAP]


def test_in_a_stream_that_is_served_the_gap_grows_to_its_most() -> None:
    watched = Transcript()
    now = 10 * MS
    gaps = []
    for _ in range(4):
        watched.watch.fired(0, now)
        watched.watch.looked(calm=True)
        assert watched.watch.next_at is not None
        gaps.append(watched.watch.next_at - now)
        now = watched.watch.next_at
        watched.turn(now)
    assert gaps == [GAP, 2 * GAP, CALM_GAP, CALM_GAP]


def test_a_look_that_leads_to_something_ends_the_long_gap_at_once() -> None:
    watched = Transcript()
    watched.watch.fired(0, 10 * MS)
    watched.watch.looked(calm=True)
    watched.turn(10 * MS + GAP)
    watched.watch.fired(0, 10 * MS + GAP)
    watched.watch.looked(calm=False)
    assert watched.watch.next_at == 10 * MS + 2 * GAP
    assert watched.watch.may_wait(10 * MS) is None


def test_a_listener_to_which_nobody_came_for_a_moment_ends_the_long_gap() -> None:
    watched = Transcript()
    watched.watch.looked(calm=True)
    assert watched.watch.may_wait(MS) == MS + 2 * GAP
    watched.watch.fired(0, 10 * MS)
    assert watched.watch.next_at == 10 * MS + GAP
    assert watched.watch.may_wait(MS) is None


def test_it_is_readable_from_firing_until_it_is_armed_again() -> None:
    watched = Transcript()
    assert watched.watch.readable == frozenset()
    watched.watch.fired(0, MS)
    assert watched.watch.readable == {0}
    watched.turn(MS + GAP)
    assert watched.watch.readable == frozenset()


def test_when_nobody_can_take_connections_it_looks_once_a_second() -> None:
    watched = Transcript()
    watched.watch.fired(0, MS)
    watched.watch.slow_down()
    watched.watch.slow_down()
    assert watched.watch.next_at == MS + LONG_GAP


def test_a_queue_that_is_readable_for_too_long_nudges_one_worker_then_all() -> None:
    watched = Transcript()
    now = watched.keep_firing(0, STUCK)
    first = watched.watch.whom_to_nudge(now, [ONE, TWO], 0)
    assert len(first) == 1
    assert watched.watch.whom_to_nudge(now, [ONE, TWO], 0) == ()
    now = watched.keep_firing(now, 2 * STUCK)
    assert list(watched.watch.whom_to_nudge(now, [ONE, TWO], 0)) == [ONE, TWO]


def test_a_queue_that_is_long_and_moves_rings_nobody_twice() -> None:
    watched = Transcript()
    now = watched.keep_firing(0, STUCK)
    assert len(watched.watch.whom_to_nudge(now, [ONE, TWO], 10)) == 1
    now = watched.keep_firing(now, 2 * STUCK)
    assert watched.watch.whom_to_nudge(now, [ONE, TWO], 11) == ()


def test_a_queue_that_was_empty_in_between_nudges_nobody() -> None:
    watched = Transcript()
    watched.watch.fired(0, 0)
    watched.turn(GAP)
    watched.watch.fired(0, GAP + 20 * MS)
    assert watched.watch.whom_to_nudge(GAP + 20 * MS, [ONE], 0) == ()


def test_without_a_worker_that_accepts_nobody_is_nudged() -> None:
    watched = Transcript()
    now = watched.keep_firing(0, STUCK)
    assert watched.watch.whom_to_nudge(now, [], 0) == ()


def test_first_nudges_take_turns() -> None:
    picked = set()
    watched = Transcript()
    for turn in range(4):
        now = watched.keep_firing(turn * 100 * MS, turn * 100 * MS + STUCK)
        picked |= set(watched.watch.whom_to_nudge(now, [ONE, TWO], 0))
        watched.turn(now + GAP)
    assert picked == {ONE, TWO}
