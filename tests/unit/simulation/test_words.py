"""A load in one word is the one that its class makes, and what is wrong with a word is told in one line."""

from __future__ import annotations

from dataclasses import fields
from itertools import islice

import pytest

from prefork.simulation import (
    ClockBursts,
    Constant,
    Exponential,
    Flash,
    Length,
    Lognormal,
    LongLived,
    OnOff,
    Pareto,
    Poisson,
    Reconnect,
    Sine,
    Square,
    Step,
    Traffic,
    length_of,
    traffic_of,
)
from prefork.simulation.words import LENGTHS, TRAFFICS, usage


@pytest.mark.parametrize(
    ("word", "traffic"),
    [
        ("poisson:20", Poisson(20)),
        ("poisson:rate=20,lasts=1h", Poisson(20, lasts="1h")),
        ("step:before=1,after=9,at=30s", Step(1, 9, at="30s")),
        ("square:low=1,high=9", Square(1, 9)),
        ("sine:5,swing=0.5", Sine(5, swing=0.5)),
        ("flash:base=5,peak=100", Flash(5, 100)),
        ("flash: base = 5 , peak = 100 ", Flash(5, 100)),
        ("onoff:rate=3,on=1s", OnOff(3, on="1s")),
        ("bursts:clients=50,every=1m", ClockBursts(50, every="1m")),
        ("reconnect:100,at=2m", Reconnect(100, at="2m")),
        ("poisson:1,length=pareto:1s", Poisson(1, length=Pareto("1s"))),
        ("poisson:1,length=3s", Poisson(1, length=Exponential("3s"))),
    ],
)
def test_a_word_is_what_its_class_makes(word: str, traffic: Traffic) -> None:
    assert traffic_of(word) == traffic


def test_every_public_kind_has_a_word() -> None:
    assert len(TRAFFICS) == 8
    assert set(LENGTHS.values()) == {Constant, Exponential, Pareto, Lognormal, LongLived}


def test_defaults_are_given_way_to_what_the_word_says() -> None:
    assert traffic_of("poisson:1", lasts="3m") == Poisson(1, lasts="3m")
    assert traffic_of("poisson:1,lasts=1m", lasts="3m") == Poisson(1, lasts="1m")


@pytest.mark.parametrize(
    ("word", "length"),
    [
        ("200ms", Exponential("200ms")),
        ("exponential:200ms", Exponential("200ms")),
        ("constant:3s", Constant("3s")),
        ("pareto:mean=1s,shape=2.5", Pareto("1s", 2.5)),
        ("lognormal:1s,sigma=2", Lognormal("1s", 2)),
        ("longlived:share=0.1,long=10m,short=constant:1s", LongLived(0.1, Exponential("10m"), Constant("1s"))),
    ],
)
def test_a_length_in_a_word(word: str, length: Length) -> None:
    assert length_of(word) == length


def test_usage_names_every_field_of_every_kind_but_the_common_ones() -> None:
    text = usage(TRAFFICS) + usage(LENGTHS)
    common = {each.name for each in fields(Traffic)}
    own = {each.name for kind in TRAFFICS.values() for each in fields(kind)} - common
    own |= {each.name for kind in LENGTHS.values() for each in fields(kind)}
    assert "flash:base=N,peak=N[,at=1m,rise=5s,halves=30s]; onoff" in text
    assert all(f"{name}=" in text for name in own)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("flsh:base=5", "'flsh' is no kind of traffic; did you mean flash?"),
        ("xyzzy", "'xyzzy' is no kind of traffic: it is one of poisson, step"),
        ("flash:base=5", "peak: not given: write flash:base=N,peak=N"),
        ("flash:base=5,peek=9", "there is no 'peek'; did you mean peak?"),
        ("flash:base=5,peak=9,zzz=1", "there is no 'zzz': it is one of base, peak, at"),
        ("flash:base=5,base=6,peak=9", "base is there twice"),
        ("flash:5,9", "'9' has no name: write NAME=VALUE"),
        ("flash:base=many,peak=9", "base: 'many' is no number"),
        ("flash:base=9,peak=5", r"peak \(5\) is under base \(9\)"),
        ("poisson:1,lasts=soon", "lasts: 'soon' is no duration"),
        ("poisson:nan", r"rate \(nan\) is no number from 0 on"),
        ("bursts:1.5", "clients: '1.5' is no whole number"),
        ("poisson:1,length=parreto:1s", "'parreto' is no kind of length; did you mean pareto?"),
        ("poisson:1,length=pareto:shape=1", r"shape \(1\) gives Pareto no mean"),
    ],
)
def test_a_word_that_says_no_load_is_refused_in_one_line(word: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        traffic_of(word)
    assert "\n" not in str(refused.value)


def test_a_word_makes_the_same_load_each_time() -> None:
    assert [*islice(traffic_of("onoff:20").sessions(3), 50)] == [*islice(OnOff(20).sessions(3), 50)]
