"""What the master says, and how often."""

from __future__ import annotations

from prefork.master.reporter import Folder

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
