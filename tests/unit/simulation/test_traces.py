"""Recorded load is read from text, and what is wrong with it is told by its line."""

from __future__ import annotations

import pytest

from prefork.policy.units import NS
from prefork.simulation import Constant, Counts, Recorded, Replay, Trace, read_counts, read_recording, read_sessions

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


def test_either_kind_of_recording_is_played_by_its_traffic() -> None:
    counts = read_recording(["at,count", "0,3", "1,4"])
    assert isinstance(counts, Counts)
    assert sum(1 for _ in Trace(*counts).sessions(1)) == 7
    arrivals = read_recording(["at,duration_s", "5,3", "7.5,4"])
    assert not isinstance(arrivals, Counts)
    assert list(Recorded(*arrivals).sessions(1)) == [(0, 3 * NS), (2_500_000_000, 4 * NS)]


def test_lengths_that_were_not_recorded_are_drawn() -> None:
    assert list(Recorded([0, 5], length=Constant("2s")).sessions(1)) == [(0, 2 * NS), (5, 2 * NS)]


def test_a_recording_lasts_to_the_end_of_its_last_second_or_less() -> None:
    assert Recorded([0, 5 * NS + 1]).lasts_ns == 6 * NS
    assert Recorded([]).lasts_ns == NS
    cut = Recorded([0, NS, 5 * NS], lasts="2s")
    assert cut.lasts_ns == 2 * NS
    assert [at for at, _ in cut.sessions(1)] == [0, NS]


def test_a_recording_is_thinned_or_multiplied_within_its_own_gaps() -> None:
    instants = [index * NS for index in range(1000)]
    thin = [at for at, _ in Recorded(instants, scale=0.25).sessions(1)]
    assert set(thin) < set(instants)
    assert 190 <= len(thin) <= 310
    thick = [at for at, _ in Recorded(instants, scale=3).sessions(1)]
    assert thick == sorted(thick)
    assert [at // NS for at in thick[:-3]] == [index for index in range(999) for _ in range(3)]
    assert set(instants) <= set(thick)


def test_a_copy_lasts_as_long_as_what_it_copies() -> None:
    assert [length for _, length in Recorded([0, NS], [7, 9], scale=2).sessions(1)] == [7, 7, 9, 9]
