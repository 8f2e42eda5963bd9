from __future__ import annotations

from typing import NamedTuple

import pytest

from prefork.backends.gate import LOG_INTERVAL_NS, LONGEST_BACKOFF_NS, SHORTEST_BACKOFF_NS, Gate
from prefork.wire import (
    GATE_BACKOFF,
    GATE_DRAINING,
    GATE_FULL,
    GATE_PAUSED,
    GATE_SPENT,
    WANT_DRAIN,
    WANT_PAUSE_APP,
    WANT_PAUSE_OPERATOR,
    WANT_PAUSE_POLICY,
    WANT_RETIRE,
    WANT_SERIAL_SHIFT,
    WANT_SWEEP,
)

MS = 1_000_000


class State(NamedTuple):
    """What a gate says of itself."""

    open: bool = True
    bits: int = 0
    actual: int = 0
    done: bool = False


def state(gate: Gate) -> State:
    return State(gate.open, gate.bits, gate.actual, gate.done)


def after(*steps: tuple[str, int] | str, max_sessions: int = 0, max_served: int = 0) -> tuple[Gate, list[bool]]:
    """A gate after `steps`, and each answer that was one: a method's name, or (name, argument)."""
    gate = Gate(max_sessions, max_served)
    answers = []
    for step in steps:
        name, *arguments = (step,) if isinstance(step, str) else step
        answer = getattr(gate, str(name))(*arguments)
        if answer is not None:
            answers.append(answer)
    return gate, answers


OPEN, CLOSE = "session_opened", "session_closed"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([], State(), id="a new gate is open"),
        pytest.param([OPEN] * 1000, State(), id="without a cap it is never full"),
        pytest.param(
            [("learn", WANT_PAUSE_OPERATOR)], State(False, GATE_PAUSED, WANT_PAUSE_OPERATOR), id="one pause shuts it"
        ),
        pytest.param(
            [("learn", WANT_PAUSE_OPERATOR | WANT_PAUSE_APP), ("learn", WANT_PAUSE_APP)],
            State(False, GATE_PAUSED, WANT_PAUSE_APP),
            id="of two pauses both must end",
        ),
        pytest.param([("learn", WANT_PAUSE_POLICY), ("learn", 0)], State(), id="a resume opens it"),
        pytest.param(
            [("learn", WANT_DRAIN)],
            State(False, GATE_DRAINING, WANT_DRAIN, True),
            id="a drain without sessions is done",
        ),
        pytest.param(
            [OPEN, ("learn", WANT_DRAIN)], State(False, GATE_DRAINING, WANT_DRAIN), id="a drain waits for its sessions"
        ),
        pytest.param(
            [OPEN, ("learn", WANT_DRAIN), CLOSE],
            State(False, GATE_DRAINING, WANT_DRAIN, True),
            id="and is done with the last",
        ),
        pytest.param(
            [OPEN, ("learn", WANT_DRAIN), ("learn", 0)],
            State(False, GATE_DRAINING, WANT_DRAIN),
            id="a drain is never taken back",
        ),
        pytest.param([OPEN, "orphan"], State(False, GATE_DRAINING, WANT_DRAIN), id="an orphan drains"),
        pytest.param(["orphan"], State(False, GATE_DRAINING, WANT_DRAIN, True), id="an idle orphan is done"),
        pytest.param(
            [("learn", WANT_RETIRE)],
            State(False, GATE_DRAINING, WANT_RETIRE, True),
            id="told to retire without a session it is done",
        ),
        pytest.param([OPEN, ("learn", WANT_RETIRE)], State(), id="with a session it stays as it was"),
        pytest.param(
            [OPEN, ("learn", WANT_RETIRE), CLOSE], State(), id="it does not retire later, when its session ends"
        ),
        pytest.param(
            [("learn", WANT_RETIRE | WANT_PAUSE_APP)],
            State(False, GATE_PAUSED | GATE_DRAINING, WANT_PAUSE_APP | WANT_RETIRE, True),
            id="a paused one retires too",
        ),
        pytest.param(
            [("learn", WANT_DRAIN | WANT_SWEEP)],
            State(True, 0, WANT_DRAIN | WANT_SWEEP),
            id="a sweep goes on accepting, even without sessions",
        ),
        pytest.param(
            [("learn", WANT_DRAIN | WANT_SWEEP), OPEN, "queue_empty"],
            State(False, GATE_DRAINING, WANT_DRAIN),
            id="until the queue is empty",
        ),
        pytest.param(
            [("learn", WANT_DRAIN | WANT_SWEEP), "queue_empty"],
            State(False, GATE_DRAINING, WANT_DRAIN, True),
            id="a sweep that found nobody is done",
        ),
        pytest.param(
            [("learn", WANT_DRAIN | WANT_SWEEP | WANT_PAUSE_APP)],
            State(False, GATE_PAUSED | GATE_DRAINING, WANT_DRAIN | WANT_PAUSE_APP, True),
            id="a paused worker sweeps nothing",
        ),
        pytest.param(
            [("learn", WANT_DRAIN | WANT_SWEEP), "orphan"],
            State(False, GATE_DRAINING, WANT_DRAIN, True),
            id="an orphan sweeps nothing",
        ),
        pytest.param([("learn", WANT_SWEEP)], State(), id="a sweep alone means nothing"),
        pytest.param(
            ["queue_empty", ("learn", WANT_DRAIN | WANT_SWEEP)],
            State(True, 0, WANT_DRAIN | WANT_SWEEP),
            id="that the queue was empty before says nothing",
        ),
        pytest.param([("out_of_files", 0)], State(False, GATE_BACKOFF), id="out of files shuts it"),
        pytest.param(
            [("out_of_files", 0), ("tick", SHORTEST_BACKOFF_NS - 1)], State(False, GATE_BACKOFF), id="for a while"
        ),
        pytest.param([("out_of_files", 0), ("tick", SHORTEST_BACKOFF_NS)], State(), id="and not for longer"),
        pytest.param([OPEN, ("out_of_files", 0), CLOSE], State(), id="or until a session ends"),
    ],
)
def test_gate(steps: list[tuple[str, int] | str], expected: State) -> None:
    assert state(after(*steps)[0]) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([OPEN], State(), id="under the cap it is open"),
        pytest.param([OPEN, OPEN], State(False, GATE_FULL), id="at the cap it is shut"),
        pytest.param([OPEN, OPEN, CLOSE], State(), id="below it again it is open"),
        pytest.param(
            [OPEN, OPEN, ("learn", WANT_DRAIN | WANT_SWEEP)],
            State(False, GATE_FULL, WANT_DRAIN | WANT_SWEEP),
            id="a sweep keeps the cap",
        ),
        pytest.param(
            [OPEN, OPEN, ("learn", WANT_DRAIN | WANT_SWEEP), CLOSE],
            State(True, 0, WANT_DRAIN | WANT_SWEEP),
            id="and goes on when a place is free",
        ),
    ],
)
def test_gate_with_a_cap_of_two(steps: list[tuple[str, int] | str], expected: State) -> None:
    assert state(after(*steps, max_sessions=2)[0]) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([OPEN], State(False, GATE_FULL), id="full"),
        pytest.param([OPEN, CLOSE], State(), id="free"),
        pytest.param([OPEN, CLOSE, OPEN], State(False, GATE_FULL), id="full again"),
    ],
)
def test_gate_with_a_cap_of_one(steps: list[str], expected: State) -> None:
    assert state(after(*steps, max_sessions=1)[0]) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([OPEN], State(), id="under its number it is open"),
        pytest.param([OPEN, ("learn", WANT_PAUSE_APP), ("learn", 0)], State(), id="whatever it is told meanwhile"),
        pytest.param([OPEN, OPEN], State(False, GATE_SPENT), id="at it, it is shut"),
        pytest.param([OPEN, CLOSE, OPEN, CLOSE], State(False, GATE_SPENT), id="for good, whoever leaves"),
        pytest.param([OPEN, OPEN, ("learn", WANT_PAUSE_APP), ("learn", 0)], State(False, GATE_SPENT), id="or resumes"),
        pytest.param(
            [OPEN, OPEN, ("out_of_files", 0), ("tick", SHORTEST_BACKOFF_NS)],
            State(False, GATE_SPENT),
            id="a back-off that is over opens nothing",
        ),
        pytest.param(
            [OPEN, OPEN, ("learn", WANT_PAUSE_APP)],
            State(False, GATE_SPENT | GATE_PAUSED, WANT_PAUSE_APP),
            id="it may be paused as well",
        ),
        pytest.param(
            [OPEN, OPEN, CLOSE, CLOSE, ("learn", WANT_RETIRE)],
            State(False, GATE_SPENT | GATE_DRAINING, WANT_RETIRE, True),
            id="and retire",
        ),
        pytest.param(
            [OPEN, OPEN, ("learn", WANT_DRAIN), CLOSE, CLOSE],
            State(False, GATE_SPENT | GATE_DRAINING, WANT_DRAIN, True),
            id="and drain",
        ),
        pytest.param(
            [OPEN, OPEN, ("learn", WANT_DRAIN | WANT_SWEEP)],
            State(True, GATE_SPENT, WANT_DRAIN | WANT_SWEEP),
            id="a sweep opens it",
        ),
        pytest.param(
            [OPEN, ("learn", WANT_DRAIN | WANT_SWEEP), OPEN, OPEN],
            State(True, GATE_SPENT, WANT_DRAIN | WANT_SWEEP),
            id="and goes on past the number",
        ),
        pytest.param(
            [OPEN, OPEN, ("learn", WANT_DRAIN | WANT_SWEEP), "queue_empty"],
            State(False, GATE_SPENT | GATE_DRAINING, WANT_DRAIN),
            id="until it is over",
        ),
    ],
)
def test_gate_for_two_sessions_ever(steps: list[tuple[str, int] | str], expected: State) -> None:
    assert state(after(*steps, max_served=2)[0]) == expected


def test_a_sweep_keeps_the_cap_of_a_spent_gate() -> None:
    gate = after(OPEN, ("learn", WANT_DRAIN | WANT_SWEEP), max_sessions=1, max_served=1)[0]
    assert state(gate) == State(False, GATE_FULL | GATE_SPENT, WANT_DRAIN | WANT_SWEEP)


@pytest.mark.parametrize(
    ("steps", "answers"),
    [
        pytest.param([("learn", WANT_RETIRE)], [False], id="without a session nothing is declined"),
        pytest.param([OPEN, ("learn", WANT_RETIRE)], [True], id="with one it is declined"),
        pytest.param([OPEN, ("learn", WANT_RETIRE), ("learn", WANT_RETIRE)], [True, False], id="once"),
        pytest.param(
            [OPEN, ("learn", WANT_RETIRE), ("learn", 0), ("learn", WANT_RETIRE)],
            [True, False, True],
            id="and again when asked again",
        ),
        pytest.param(
            [OPEN, ("learn", WANT_RETIRE | 1 << WANT_SERIAL_SHIFT), ("learn", WANT_RETIRE | 2 << WANT_SERIAL_SHIFT)],
            [True, True],
            id="even if the bit never fell",
        ),
        pytest.param(
            [OPEN, ("learn", WANT_RETIRE | 3 << WANT_SERIAL_SHIFT), ("learn", WANT_RETIRE | 3 << WANT_SERIAL_SHIFT)],
            [True, False],
            id="but not by the same question",
        ),
        pytest.param(
            [
                OPEN,
                ("learn", WANT_RETIRE | 3 << WANT_SERIAL_SHIFT),
                ("learn", WANT_RETIRE | WANT_PAUSE_APP | 3 << WANT_SERIAL_SHIFT),
            ],
            [True, False],
            id="nor by another wish beside it",
        ),
        pytest.param([OPEN, ("learn", WANT_RETIRE | WANT_DRAIN)], [False], id="a drain is obeyed in its place"),
    ],
)
def test_declined(steps: list[tuple[str, int] | str], answers: list[bool]) -> None:
    assert after(*steps)[1] == answers


def test_the_backoff_doubles_up_to_half_a_second_and_starts_again_after_an_accept() -> None:
    gate = Gate(0, 0)
    lengths = []
    for _ in range(8):
        gate.out_of_files(0)
        lengths.append(gate.retry_at)
    assert lengths[:3] == [10 * MS, 20 * MS, 40 * MS]
    assert lengths[-2:] == [LONGEST_BACKOFF_NS, LONGEST_BACKOFF_NS]
    gate.session_opened()
    gate.out_of_files(0)
    assert gate.retry_at == SHORTEST_BACKOFF_NS


def test_out_of_files_is_logged_once_a_second_at_most() -> None:
    gate = Gate(0, 0)
    times = [5, 6, 5 + LOG_INTERVAL_NS - 1, 5 + LOG_INTERVAL_NS, 6 + LOG_INTERVAL_NS]
    assert [gate.out_of_files(now) for now in times] == [True, False, False, True, False]


@pytest.mark.parametrize(("given", "most", "cap"), [(0, 3, 3), (5, 3, 3), (2, 3, 2)])
def test_a_loop_that_can_hold_no_more_lowers_the_cap_and_never_raises_it(given: int, most: int, cap: int) -> None:
    gate = Gate(given, 0)
    assert gate.places == 0
    gate.hold_at_most(most)
    assert (gate.max_sessions, gate.places) == (cap, most)
    for held in range(cap):
        assert gate.open, held
        gate.session_opened()
    assert gate.bits == GATE_FULL
    gate.session_closed()
    assert gate.open
