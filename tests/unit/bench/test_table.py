from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import table
from bench.__main__ import merged
from bench.pairs import doubt
from bench.table import AtMost, Ratio, Report, Row

if TYPE_CHECKING:
    from pathlib import Path

RATIO = Row("stream", "an echo", "0.850", "0.75", True, "", "ours 6 us", Ratio("C epoll", 0.85, 0.84, 0.86, 1.01), 0.75)
MARKED = "before\n<!-- written by make bench -->\nold\n<!-- end of what make bench writes -->\nafter\n"


@pytest.mark.parametrize(
    ("twice", "pairs", "failures", "said"),
    [
        (1.03, 12, 0, ""),
        (0.969, 12, 0, "the same twice is 0.969"),
        (1.0, 11, 2, "11 of 12 pairs, 2 failures"),
    ],
)
def test_a_ratio_counts_where_the_same_server_twice_is_alike_in_enough_pairs(
    twice: float, pairs: int, failures: int, said: str
) -> None:
    assert doubt(twice, pairs, failures) == said


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (AtMost(3.0, "ms").row("births", "FORK to READY", 2.99), "yes"),
        (AtMost(3.0, "ms").row("births", "FORK to READY", 3.01), "**no**"),
        (RATIO._replace(doubt="11 of 12 pairs"), "doesn't count: 11 of 12 pairs"),
        (RATIO._replace(least="", met=None), ""),
    ],
)
def test_a_row_says_whether_what_is_asked_is_met_or_why_nobody_can_say(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def test_what_is_stored_is_between_the_marks_and_comes_back_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "HERE", tmp_path)
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results.json")
    (tmp_path / "RESULTS.md").write_text(MARKED)
    report = Report({"machine": "two cores"}, [RATIO, AtMost(3.0, "ms").row("births", "FORK to READY", 2.5, "of 30")])
    report.store([tmp_path / "RESULTS.md"])
    text = (tmp_path / "RESULTS.md").read_text()
    assert Report.stored() == report
    assert (text.startswith("before\n"), text.endswith("\nafter\n"), "old" in text) == (True, True, False)
    assert "| an echo | 0.850 | 0.75 | yes | ours 6 us |" in text.splitlines()
    assert "| FORK to READY | 2.50 ms | 3 ms | yes | of 30 |" in text.splitlines()


def test_a_document_without_marks_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results.json")
    (tmp_path / "RESULTS.md").write_text("no marks")
    with pytest.raises(SystemExit, match="has no place for figures"):
        Report({}, [RATIO]).store([tmp_path / "RESULTS.md"])
    assert (tmp_path / "RESULTS.md").read_text() == "no marks"


def test_rows_that_are_measured_again_take_the_place_of_the_old_ones() -> None:
    old = [RATIO, RATIO._replace(figure="a second peer"), RATIO._replace(name="lines")]
    new = [RATIO._replace(measured="0.9"), RATIO._replace(name="asgi")]
    assert merged(old, new) == [new[0], old[2], new[1]]
