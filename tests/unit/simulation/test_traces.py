"""Recorded load is read from text, and what is wrong with it is told by its line."""

from __future__ import annotations

import pytest

from prefork.policy.units import NS
from prefork.simulation import Counts, Replay, Trace, read_counts, read_sessions

MINUTES = """timestamp,value
2014-04-10 00:04:00,94.0
2014-04-10 00:05:00,56

2014-04-10 00:07:00,3
2014-04-10 00:08:00,1
"""
REQUESTS = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
"""


def test_counts_follow_one_another_and_a_gap_counts_nobody() -> None:
    assert read_counts(MINUTES.splitlines()) == Counts((94, 56, 0, 3, 1), 60.0)


def test_counts_are_played_as_a_trace() -> None:
    trace = Trace(*read_counts(MINUTES.splitlines()))
    assert trace.lasts_ns == 300 * NS
    assert sum(1 for _ in trace.sessions(1)) == 154


def test_instants_may_be_seconds() -> None:
    assert read_counts(["second,count", "0,5", "10,7", "20,1"]) == Counts((5, 7, 1), 10.0)


def test_requests_keep_their_instants_and_get_their_lengths_from_a_column() -> None:
    sessions = read_sessions(REQUESTS.splitlines(), "GeneratedTokens", unit="20ms")
    assert list(Replay(sessions).sessions(1)) == [(0, 200_000_000), (52_000_000, 160_000_000)]


def test_lines_are_read_as_they_are_needed() -> None:
    def endless() -> object:
        yield "at,length"
        at = 0
        while True:
            yield f"{at},1"
            at += 1

    assert next(read_sessions(endless(), "length")) == (0, NS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the trace is empty"),
        ("\n\n", "the trace is empty"),
        ("timestamp,value\n", "the trace has 0 rows of counts"),
        ("0,5\n1,5\n", "line 1: 0,5 is no header"),
        ("2014-04-10 00:04:00,5\n", "line 1: 2014-04-10 00:04:00,5 is no header"),
        ("t,n\n0,5\n60,5\n30,5\n", "line 4: 30 is before the line above: sort the lines"),
        ("t,n\n0,5\n60,-5\n", "line 3: n -5 is negative"),
        ("t,n\n0,5\n60\n", "line 3: 60 has no column n"),
        ("t,n\n0,5\n60,many\n", "line 3: n 'many' is no number"),
        ("t,n\n0,5\n60,nan\n", "line 3: n 'nan' is no number"),
        ("t,n\n0,5\nnoon,5\n", "line 3: 'noon' is no instant"),
        ("t,n\n1398902340000,5\n", "line 2: 1398902340000 is no instant in units of 1s: are these milliseconds"),
        ("t,n\n5,5\n5,5\n", "the trace has the same instant in every row"),
        ("t,n\n0,5\n0.001,5\n0.002,5\n99999999,5\n", "is an instant wrong"),
    ],
)
def test_a_malformed_trace_is_refused_in_one_line(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        read_counts(text.splitlines())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("t,tokens\n0,5\n", "the trace has no column 'length': it has t, tokens"),
        ("t,length\n0,5\n1,-5\n", "line 3: length -5 is negative"),
        ("t,length\n0\n", "line 2: 0 has no column length"),
    ],
)
def test_a_malformed_list_of_requests_is_refused_in_one_line(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        list(read_sessions(text.splitlines(), "length"))
