"""How much of its workers a pool uses: by its loops' turns, its processes' CPU time, or its loops' places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork import wire
from prefork.master.usage import GAP_NS, Usage
from prefork.policy.model import WorkerId
from prefork.testing.fake_kernel import FakeKernel

if TYPE_CHECKING:
    from collections.abc import Mapping

S = 1_000_000_000
ONE, TWO = WorkerId(1), WorkerId(2)


class Told(FakeKernel):
    """A kernel that tells of workers what it was told."""

    def __init__(self, *, cpu: int = 0, starved: int = 0) -> None:
        super().__init__()
        self.told = cpu, starved

    def cpu(self, worker: WorkerId) -> int | None:
        return self.told[0] or super().cpu(worker)

    def starved(self, worker: WorkerId) -> int | None:
        return self.told[1] or super().starved(worker)


def slot(**words: int) -> list[int]:
    """A slot of a worker that serves."""
    found = [0] * wire.WORDS
    for name, value in ({"HEARTBEAT": 1, "HELD_AT": 1} | words).items():
        found[getattr(wire, name)] = value
    return found


def used(before: list[int], after: list[int], kernel: Told | None = None) -> float:
    """Seconds of one worker, of the second from 10 s to 11 s."""
    usage = Usage()
    usage.learn(Told(), {ONE: before}, 10 * S)
    return usage.learn(kernel or Told(), {ONE: after}, 11 * S) / S


@pytest.mark.parametrize(
    ("before", "after", "kernel", "expected"),
    [
        pytest.param(slot(), slot(), Told(), 0, id="nothing"),
        pytest.param(slot(BUSY=3 * S), slot(BUSY=3 * S + S // 4), Told(), 0.25, id="turns"),
        pytest.param(slot(), slot(TURN_AT=11 * S - S // 2), Told(), 0.5, id="a turn that runs"),
        pytest.param(slot(), slot(BUSY=S), Told(starved=S // 4), 0.75, id="but not while it had no CPU"),
        pytest.param(slot(), slot(), Told(cpu=S // 2), 0.5, id="what runs outside of turns"),
        pytest.param(slot(), slot(BUSY=S // 4), Told(cpu=S // 2), 0.5, id="the most counts, not the sum"),
        pytest.param(slot(), slot(), Told(cpu=3 * S), 1, id="nobody is used for more than all the time"),
        pytest.param(slot(), slot(), Told(starved=S), 0, id="nor for less than nothing"),
        pytest.param(
            slot(ACCEPTED=5, HELD_AT=10 * S, PLACES=10),
            slot(ACCEPTED=5, HELD_AT=10 * S, PLACES=10),
            Told(),
            0.5,
            id="half of a loop's own places",
        ),
        pytest.param(slot(ACCEPTED=5, HELD_AT=10 * S), slot(ACCEPTED=5, HELD_AT=10 * S), Told(), 0, id="no such limit"),
    ],
)
def test_a_worker_is_used_by_the_scarcest_of_what_it_has(
    before: list[int], after: list[int], kernel: Told, expected: float
) -> None:
    assert used(before, after, kernel) == pytest.approx(expected)


def test_who_comes_and_who_goes_make_no_step() -> None:
    usage, kernel = Usage(), Told()

    def total(slots: Mapping[WorkerId, list[int]], at: float) -> float:
        return usage.learn(kernel, slots, round(at * S)) / S

    assert total({ONE: slot(BUSY=9 * S)}, 20) == 0
    assert total({ONE: slot(BUSY=9 * S + S // 2), TWO: slot(BUSY=5 * S)}, 21) == 0.5
    assert (usage.of(ONE), usage.of(TWO), usage.of(WorkerId(3))) == (S // 2, 0, None)
    assert total({TWO: slot(BUSY=5 * S + S // 4)}, 22) == 0.75
    assert usage.of(ONE) is None


def test_who_has_not_been_heard_yet_is_not_looked_at() -> None:
    usage = Usage()
    assert usage.learn(Told(cpu=S), {ONE: [0] * wire.WORDS}, 10 * S) == 0
    assert usage.learn(Told(cpu=2 * S), {ONE: slot()}, 11 * S) == 0


def test_processes_are_looked_at_ten_times_a_second_at_most() -> None:
    usage = Usage()
    usage.learn(Told(), {ONE: slot()}, 10 * S)
    assert usage.learn(Told(), {ONE: slot(BUSY=S // 50)}, 10 * S + GAP_NS - 1) == 0
    assert usage.learn(Told(), {ONE: slot(BUSY=S // 50)}, 10 * S + GAP_NS) == S // 50


def test_the_total_goes_on_from_what_was_told_meanwhile_and_never_falls() -> None:
    usage = Usage()
    usage.rest(7 * S)
    assert usage.learn(Told(), {ONE: slot(BUSY=9 * S)}, 10 * S) == 7 * S
    usage.rest(3 * S)
    assert usage.of(ONE) is None
    assert usage.learn(Told(), {ONE: slot(BUSY=9 * S)}, 11 * S) == 7 * S
