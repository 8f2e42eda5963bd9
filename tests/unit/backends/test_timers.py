from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prefork.backends.timers import NEVER, Timers


def test_calls_are_made_in_the_order_of_their_instants_and_then_of_their_making() -> None:
    made: list[Any] = []
    timers = Timers()
    for name, when in (("c", 7), ("a", 5), ("b", 5), ("later", 8)):
        timers.add(when, made.append, name)
    assert timers.next_at == 5
    timers.fire(7)
    assert (made, timers.next_at) == (["a", "b", "c"], 8)


def test_a_cancelled_call_is_not_made_and_wakes_nobody() -> None:
    made: list[Any] = []
    timers = Timers()
    first = timers.add(5, made.append, "first")
    timers.add(6, made.append, "second")
    first.cancel()
    first.cancel()
    assert timers.next_at == 6
    timers.fire(10)
    first.cancel()
    assert (made, timers.next_at) == (["second"], NEVER)


def test_a_call_may_cancel_another_of_the_same_instant() -> None:
    made: list[Any] = []
    timers = Timers()
    timers.add(5, lambda: seconds.pop().cancel())
    seconds = [timers.add(5, made.append, "second")]
    timers.fire(5)
    assert made == []


def test_a_call_added_by_a_call_waits_for_the_next_time() -> None:
    made: list[Any] = []
    timers = Timers()
    timers.add(5, lambda: timers.add(5, made.append, "again"))
    timers.fire(5)
    assert (made, timers.next_at) == ([], 5)
    timers.fire(5)
    assert made == ["again"]


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=200))
def test_every_call_is_made_once_unless_cancelled(calls: list[tuple[int, bool]]) -> None:
    made: list[Any] = []
    timers = Timers()
    entries = [(timers.add(when, made.append, at), when, dropped) for at, (when, dropped) in enumerate(calls)]
    for entry, _, dropped in entries:
        if dropped:
            entry.cancel()
    assert timers.next_at == min((when for when, dropped in calls if not dropped), default=NEVER)
    for now in range(21):
        timers.fire(now)
    wanted = sorted((when, at) for at, (when, dropped) in enumerate(calls) if not dropped)
    assert made == [at for _, at in wanted]


def test_cancelled_calls_do_not_pile_up() -> None:
    timers = Timers()
    for when in range(10_000):
        timers.add(1_000_000 + when, print).cancel()
        timers.add(5 + when, print)
    assert len(timers._heap) <= 2 * 10_000
