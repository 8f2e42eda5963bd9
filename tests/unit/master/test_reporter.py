"""What the master says, and how often."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prefork import wire
from prefork.master.facts import WorkerExited, WorkerSaid
from prefork.master.reporter import Folder, _told
from prefork.master.scoreboard import HISTORY
from prefork.policy.model import Because, Reason, WorkerId
from tests.unit.master.master import FakeMaster

if TYPE_CHECKING:
    import pytest

SECOND = 1_000_000_000


def test_lines_of_one_kind_are_folded_and_the_next_one_tells_how_many() -> None:
    folder = Folder()
    assert [folder.let("kind", 0) for _ in range(7)] == [0] * 5 + [None] * 2
    assert folder.let("another", 0) == 0
    assert folder.let("kind", SECOND) == 2


def test_kinds_that_never_come_again_are_forgotten() -> None:
    folder = Folder()
    for number in range(5000):
        folder.let(f"failed {number}", number * SECOND)
    assert len(folder._kinds) <= 1001


def test_workers_that_fail_at_the_same_lines_are_one_traceback_and_then_a_line_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever they say: with a port or a pid in it no two would be the same."""
    reporter = FakeMaster(min_workers=1).reporter
    for number, at in enumerate([0, 1, 2, SECOND, 61 * SECOND]):
        failed = wire.Failed(f"OSError: {number}", f'  File "app.py", line 3, in started\nOSError: {number}\n')
        reporter.learned(WorkerSaid(WorkerId(number), failed), at)
    assert [record.getMessage() for record in caplog.records] == [
        "worker 0 failed: OSError: 0",
        '      File "app.py", line 3, in started',
        "    OSError: 0",
        "worker 3 failed: OSError: 3 (and 2 more of this kind before)",
        "worker 4 failed: OSError: 4",
        '      File "app.py", line 3, in started',
        "    OSError: 4",
    ]


def test_how_workers_ended_is_known_as_long_as_a_decision_shows_it_and_no_longer() -> None:
    master = FakeMaster(min_workers=1, sizing={"kind": "static"}, crash={"healthy_after": 0})
    for number in range(1, 1001):
        master.kernel.after(number * SECOND // 2, partial(master.kernel.die, WorkerId(number), code=1))
    master.run(501)
    assert 100 < len(master.reporter._ends) <= 2 * HISTORY
    assert master.reporter._decision_rows(0)[-1]["outcome"] == "exit code 1"


def test_a_unit_stands_with_the_value_and_one_session_is_one(caplog: pytest.LogCaptureFixture) -> None:
    because = Because(Reason.DEMAND, (("need", 2), ("arrivals_micro", 24_500_000), ("session_ns", 31 * SECOND)))
    assert _told(because, 0) == "need=2 arrivals=24.5 session=31s"
    master = FakeMaster(min_workers=1)
    ended = WorkerExited(WorkerId(1), 3, None, lost=1)
    master.kernel.after(SECOND, lambda: master.reporter.learned(ended, SECOND))
    master.run(2)
    assert any(record.getMessage().endswith(", with 1 session") for record in caplog.records)
