"""A user's own CSV file: read as it is meant, or refused in one line with the line, the value and the cure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Outcome

    Prefork = Callable[..., Outcome]


@pytest.fixture
def told(prefork: Prefork, folder: Path) -> Callable[..., str]:
    """Writes load.csv, plays it, and returns what prefork says it read."""

    def play(text: str, options: str = "", *flags: str) -> str:
        (folder / "load.csv").write_text(text)
        done = prefork("simulate", "--traffic", f"load.csv{options}", *flags)
        assert (done.code, done.err) == (0, "")
        return done.out.splitlines()[0].removeprefix("load.csv: ")

    return play


@pytest.fixture
def played(prefork: Prefork, folder: Path) -> Callable[..., dict[str, Any]]:
    """Writes load.csv and plays it; what the whole came to."""

    def play(text: str, options: str = "", *flags: str) -> dict[str, Any]:
        (folder / "load.csv").write_text(text)
        done = prefork("simulate", "--traffic", f"load.csv{options}", *flags, "--json")
        assert (done.code, done.err) == (0, "")
        whole: dict[str, Any] = json.loads(done.out)
        run: dict[str, Any] = whole["candidates"][0]["runs"][0]
        return whole | run

    return play


COUNTS = "timestamp,count\n2024-05-01 10:00:00,30\n2024-05-01 10:01:00,0\n2024-05-01 10:02:00,12\n"
SESSIONS = "at,duration_ms\n0,1000\n1.5,500\n3,1500\n"
COUNTED = "42 arrivals in 3 intervals of 1m, spread as independent clients come within each"
LISTED = "3 sessions in 3.0s, 1s long on average"


@pytest.mark.parametrize(
    ("text", "options", "line"),
    [
        (COUNTS, "", COUNTED),
        ("\ufeff" + COUNTS, "", COUNTED),
        (COUNTS.replace("\n", "\r\n"), "", COUNTED),
        (COUNTS.replace(",", ";"), "", COUNTED),
        (COUNTS.replace(",", "\t"), "", COUNTED),
        (COUNTS.replace(" 10", "T10").replace(":00,", ":00Z,"), "", COUNTED),
        ("\n\n" + COUNTS + "\n\n", "", COUNTED),
        ("second,hits\n0,30\n60,0\n120,12\n", "", COUNTED),
        ("ms,hits\n0,30\n60000,0\n120000,12\n", ":time_unit=1ms", COUNTED),
        ("count\n30\n0\n12\n", ":interval=1m", COUNTED),
        ("region,count,at\neu,30,0\neu,0,60\neu,12,120\n", ":time=at", COUNTED),
        ("at,ok,failed\n0,30,7\n60,0,7\n120,12,7\n", ":count=ok", COUNTED),
        ("at,wood\n0,30\n60,0\n120,12\n", ":rows=counts", COUNTED),
        ("at,count\n0,30\n120,12\n", ":interval=1m,gaps=nobody", COUNTED),
        (COUNTS, ":interval=2m", "42 arrivals in 2 intervals of 2m, spread as independent clients come within each"),
        (COUNTS, ":spread=evenly,scale=2", "42 arrivals, times 2 in 3 intervals of 1m, spread evenly within each"),
        (SESSIONS, "", LISTED),
        ("at,ResponseTime(ms)\n0,1000\n1.5,500\n3,1500\n", "", LISTED),
        ("at,took\n0,1\n1.5,0.5\n3,1.5\n", ":unit=1s", LISTED),
        ("at,tokens,kind\n0,50,a\n1.5,25,b\n3,75,a\n", ":duration=tokens,unit=20ms", LISTED),
        ("1st,2nd\n0,9\n1.5,9\n3,9\n", ":rows=sessions", "3 sessions in 3.0s, lengths drawn"),
        ("at\n0\n1.5\n3\n", "", "3 sessions in 3.0s, lengths drawn"),
    ],
)
def test_a_file_is_read_as_it_is_meant(told: Callable[..., str], text: str, options: str, line: str) -> None:
    assert told(text, options) == line


def test_counts_are_played_as_they_are(played: Callable[..., dict[str, Any]]) -> None:
    whole = played(COUNTS)
    assert (whole["seconds"], whole["arrivals"]) == (180, 42)


def test_sessions_are_played_with_their_instants_and_lengths(played: Callable[..., dict[str, Any]]) -> None:
    whole = played(SESSIONS, "", "--busy", "0")
    assert (whole["seconds"], whole["arrivals"]) == (4, 3)
    assert whole["mean_sessions"] == pytest.approx((1 + 0.5 + 1) / 4)


def test_lengths_that_a_file_has_not_are_drawn(played: Callable[..., dict[str, Any]]) -> None:
    assert played("at\n0\n1\n9\n", "", "--length", "constant:1s", "--busy", "0")["mean_sessions"] == pytest.approx(0.3)


def test_scale_multiplies_both_kinds(played: Callable[..., dict[str, Any]]) -> None:
    assert played(COUNTS, "", "--scale", "10")["arrivals"] == 420
    assert played(SESSIONS, "", "--scale", "10")["arrivals"] == 30
    assert played(SESSIONS, ":scale=0")["arrivals"] == 0


def test_a_file_may_be_played_in_part(played: Callable[..., dict[str, Any]]) -> None:
    assert played(COUNTS, "", "--lasts", "1m")["arrivals"] == 30
    assert played(SESSIONS, ":lasts=2s")["arrivals"] == 2


WAYS = (
    "say count=COLUMN (arrivals an interval), duration=COLUMN (one session a line), or rows=sessions (one arrival a "
    "line, its length drawn)"
)
FILL = "add the missing lines, or say gaps=nobody if nobody came"
MALFORMED = {
    "empty": ("", "", "the trace is empty: write a header such as timestamp,count and a line for each interval"),
    "blank": (
        "\n \n",
        "",
        "the trace is empty: write a header such as timestamp,count and a line for each interval",
    ),
    "no header": ("0,5\n60,5\n", "", "line 1: 0,5 is no header: write a first line such as timestamp,count"),
    "a header and nothing": (
        "at,count\n",
        "",
        "the trace has 0 rows of counts: how far apart they are takes two, or interval=1m",
    ),
    "a header of sessions and nothing": (
        "at,duration_ms\n",
        "",
        "the trace has no line below its header: it needs one for each session",
    ),
    "one count": (
        "at,count\n0,5\n",
        "",
        "the trace has 1 rows of counts: how far apart they are takes two, or interval=1m",
    ),
    "unsorted": (
        "at,count\n0,5\n60,5\n30,5\n",
        "",
        "line 4: 30 is before the line above: sort the lines by their instants",
    ),
    "unsorted sessions": (
        "at,duration_ms\n5,5\n1,5\n",
        "",
        "line 3: 1 is before the line above: sort the lines by their instants",
    ),
    "a negative count": ("at,count\n0,5\n60,-5\n", "", "line 3: count -5 is negative: nobody un-arrives"),
    "a negative length": (
        "at,duration_ms\n0,-5\n",
        "",
        "line 2: duration_ms -5 is negative: a session lasts 0 or longer",
    ),
    "a negative instant": (
        "at,count\n-60,5\n0,5\n",
        "",
        "line 2: -60 is negative: an instant is a time since the start, or since 1970",
    ),
    "instants in milliseconds": (
        "at,count\n1398902340000,5\n1398902400000,5\n",
        "",
        "line 2: 1398902340000 is no instant in units of 1s: are these milliseconds? say time_unit=1ms",
    ),
    "a length of unknown unit": (
        "at,duration\n0,5\n",
        "",
        "column 'duration' doesn't tell its unit: say unit=1ms or unit=1s, or name it duration_ms",
    ),
    "a length in another unit than said": (
        "at,took\n0,1e15\n",
        ":unit=1s",
        "line 2: took 1e+15 is no length in this unit: say another, as unit=1ms",
    ),
    "an endless length": (
        "at,duration_s\n0,inf\n",
        "",
        "line 2: duration_s 'inf' is no number: write one, or leave the line out",
    ),
    "a count that is none": (
        "at,count\n0,5\n60,many\n",
        "",
        "line 3: count 'many' is no number: write one, or leave the line out",
    ),
    "a count that is NaN": (
        "at,count\n0,5\n60,NaN\n",
        "",
        "line 3: count 'NaN' is no number: write one, or leave the line out",
    ),
    "a count left out": (
        "at,count\n0,5\n60,\n",
        "",
        "line 3: count '' is no number: write one, or leave the line out",
    ),
    "a count beyond counting": (
        "at,count\n0,5\n60,1e300\n",
        "",
        "line 3: count 1e+300 is over 1000000000: is it a count?",
    ),
    "a short line": ("at,count\n0,5\n60\n", "", "line 3: 60 has no column count: write a number for it"),
    "an instant that is none": (
        "at,count\n0,5\nnoon,5\n",
        "",
        "line 3: 'noon' is no instant: write 2014-04-10 00:04:00, or seconds",
    ),
    "an instant that is NaN": ("at,count\n0,5\nnan,5\n", "", "line 3: nan is no instant: leave the line out"),
    "a gap": (
        "at,count\n0,5\n60,5\n240,5\n300,5\n",
        "",
        f"line 4: 240 is 3m after the line above, where lines are 1m apart: {FILL}",
    ),
    "several gaps": (
        "at,count\n0,5\n60,5\n240,5\n300,5\n360,5\n600,5\n",
        "",
        f"line 4: 240 is 3m after the line above, the first of 2 such lines, where lines are 1m apart: {FILL}",
    ),
    "an instant twice": (
        "at,count\n0,5\n60,5\n60,5\n120,5\n",
        "",
        f"line 4: 60 is 0s after the line above, where lines are 1m apart: {FILL}",
    ),
    "one instant alone": (
        "at,count\n5,5\n5,5\n",
        "",
        "the trace has the same instant in every row: say how far apart they are: interval=1m",
    ),
    "an instant that is far off": (
        "at,count\n0,5\n0.001,5\n0.002,5\n99999999,5\n",
        ":gaps=nobody",
        "the trace is 99999999001 intervals of 1ms long: is an instant wrong?",
    ),
    "counts without instants": (
        "count\n5\n6\n",
        "",
        "the trace has no column of instants: say how far apart its counts are, such as interval=1m",
    ),
    "lengths without instants": (
        "duration_ms\n5\n",
        "",
        "no column of instants beside duration_ms: sessions come at an instant each",
    ),
    "columns that tell nothing": (
        "when,tokens,words\n0,5,6\n",
        "",
        f"the columns when, tokens, words don't tell what a line is: {WAYS}",
    ),
    "columns that tell two things": (
        "at,count,duration_ms\n0,5,6\n",
        "",
        f"the columns at, count, duration_ms don't tell what a line is: {WAYS}",
    ),
    "a column that isn't there": (
        "at,hits\n0,5\n",
        ":count=hit",
        "the trace has no column 'hit': it has at, hits",
    ),
    "two columns for one": (
        "at,hits\n0,5\n",
        ":count=hits,duration=at",
        "count and duration: a line is one of them: leave one out",
    ),
    "which column counts": (
        "at,a,b\n0,5,6\n",
        ":rows=counts",
        "which of the columns at, a, b counts arrivals? say count=COLUMN",
    ),
    "a key almost right": ("at,count\n0,5\n", ":intervall=1m", "there is no 'intervall'; did you mean interval?"),
    "a choice that is none": (
        "at,count\n0,5\n",
        ":gaps=ignored",
        "gaps: 'ignored' is neither refused nor nobody",
    ),
    "a unit that is none": (
        "at,took\n0,5\n",
        ":unit=ms",
        'unit: \'ms\' is no duration: write seconds as a number, or such as "30s", "500ms", "2m" or "1h"',
    ),
    "a unit of nothing": ("at,took\n0,5\n", ":unit=0s", "unit: 0s is nothing: write such as 1ms or 1m"),
    "JSON": (
        '[{"at": 0, "count": 5}]\n',
        "",
        f'the columns [{{"at": 0, "count": 5}}] don\'t tell what a line is: {WAYS}',
    ),
}


@pytest.mark.parametrize(("text", "options", "sentence"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_one_line_and_exit_code_2(
    prefork: Prefork, folder: Path, text: str, options: str, sentence: str
) -> None:
    (folder / "load.csv").write_text(text)
    done = prefork("simulate", "--traffic", f"load.csv{options}")
    asked = re.search(r"\bsay (\w+=\w+)", sentence)
    where = f" (as in load.csv{options}{',' if options else ':'}{asked[1]})" if asked else ""
    assert done == (2, "", f"prefork: --traffic load.csv{options}: {sentence}{where}\n")


def test_what_is_no_text_is_no_csv(prefork: Prefork, folder: Path) -> None:
    (folder / "load.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    message = "prefork: --traffic load.csv: it is no CSV: byte 0x89 is not UTF-8\n"
    assert prefork("simulate", "--traffic", "load.csv") == (2, "", message)


def test_a_line_without_end_is_no_csv(prefork: Prefork, folder: Path) -> None:
    (folder / "load.csv").write_text("at,count\n0,5\n60," + "9" * 200_000 + "\n")
    done = prefork("simulate", "--traffic", "load.csv")
    assert done == (
        2,
        "",
        "prefork: --traffic load.csv: line 3: it is no CSV: field larger than field limit (131072)\n",
    )


def test_a_file_whose_name_has_a_colon_is_itself(prefork: Prefork, folder: Path) -> None:
    (folder / "a:count=b.csv").write_text(COUNTS)
    done = prefork("simulate", "--traffic", "a:count=b.csv")
    assert (done.code, done.out.splitlines()[0]) == (0, f"a:count=b.csv: {COUNTED}")
