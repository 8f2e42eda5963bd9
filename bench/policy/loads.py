"""The loads, each for 15 minutes: recorded ones from bench/traces, and drawn ones. Half to tune on, half held out.

Theory. With one place a worker, each load offers about 8 sessions on average (arrivals a second times mean length, so
8 workers if nobody ever waited for chance), most of them of a second; with S places, sessions last S times as long, so
that the same number of workers is asked for and a run costs the same. Crowds that come at once are S times as large.
Recorded counts are played faster than they were recorded: 5 min bins 32 times, 30 min bins 192 times, the World Cup's
day 96 times, its busiest hour 4 times; single requests as they came. A load to tune on and one held out never come
from the same file.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prefork.policy.units import NS
from prefork.simulation import (
    ClockBursts,
    Exponential,
    Flash,
    Length,
    Lognormal,
    LongLived,
    OnOff,
    Pareto,
    Poisson,
    Reconnect,
    Replay,
    Sine,
    Square,
    Step,
    Trace,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.simulation import Traffic

LASTS = 900.0
OFFERED = 8.0
"""Sessions at a time with one place a worker, on average over a recorded load."""
_TRACES = Path(__file__).parent.parent / "traces"


@dataclass(frozen=True)
class Load:
    """One load; `traffic(S)` is what comes where a worker has S places."""

    name: str
    use: Literal["tune", "held out"]
    what: str
    traffic: Callable[[int], Traffic]


def recorded(file: str, begin: int = 0, end: int | None = None, each: int = 1) -> Callable[[int], Traffic]:
    """Counts of `each` rows together, spread over the whole run."""

    def traffic(places: int) -> Traffic:
        rows = _column(file)[begin:end]
        counts = [round(sum(rows[index : index + each])) for index in range(0, len(rows), each)]
        scale = OFFERED * LASTS / sum(counts)
        return Trace(counts, LASTS / len(counts), scale=scale, length=Lognormal(mean=places))

    return traffic


def replayed(file: str) -> Callable[[int], Traffic]:
    """Single requests as they came; tokens are turned into a length by one factor."""

    def traffic(places: int) -> Traffic:
        instants, tokens = _column(file, 0), _column(file)
        unit = OFFERED * LASTS / sum(tokens) * places
        listed = [(round(at * NS), round(one * unit * NS)) for at, one in zip(instants, tokens, strict=True)]
        return Replay(listed, lasts=LASTS)

    return traffic


@cache
def _column(file: str, index: int = 1) -> list[float]:
    with (_TRACES / file).open(encoding="ascii") as lines:
        return [float(row[index]) for row in list(csv.reader(lines))[1:]]


def _drawn(make: Callable[[Length, int], Traffic]) -> Callable[[int], Traffic]:
    return lambda places: make(Exponential(float(places)), places)


def _clock(length: Length, places: int) -> Traffic:
    bursts = ClockBursts(clients=20 * places, every="1m", within="500ms", lasts=LASTS, length=length)
    return Poisson(6, lasts=LASTS, length=length) + bursts


def _reconnect(length: Length, places: int) -> Traffic:
    stay = Exponential(240.0 * places)
    storm = Reconnect(clients=15 * places, at="7m", within="1s", lasts=LASTS, length=stay)
    return Poisson(4, lasts=LASTS, length=length) + storm


def _heavy(_: Length, places: int) -> Traffic:
    return Poisson(8, lasts=LASTS, length=Pareto(mean=float(places)))


def _mixed(_: Length, places: int) -> Traffic:
    length = LongLived(share=0.02, long=Exponential(100.0 * places), short=Exponential(float(places)))
    return Poisson(3, lasts=LASTS, length=length)


LOADS = (
    Load("elb", "tune", "requests at a load balancer, 8 h", recorded("elb.csv")),
    Load("taxi", "tune", "taxi passengers, 2 days", recorded("taxi.csv")),
    Load("llm-code", "tune", "single requests of a code assistant", replayed("llm_code.csv")),
    Load("step", "tune", "4, then 14 a second", _drawn(lambda x, _: Step(4, 14, at="5m", lasts=LASTS, length=x))),
    Load("sine", "tune", "1.6 to 14.4", _drawn(lambda x, _: Sine(8, 0.8, "10m", lasts=LASTS, length=x))),
    Load("on-off", "tune", "20 or nobody", _drawn(lambda x, _: OnOff(20, "40s", "60s", lasts=LASTS, length=x))),
    Load("heavy-tail", "tune", "8; lengths Pareto 1.5", _drawn(_heavy)),
    Load("reconnect", "tune", "4, and 15 that stay and come again at once", _drawn(_reconnect)),
    Load("tweets", "held out", "tweets, 8 h", recorded("tweets.csv")),
    Load("worldcup", "held out", "the World Cup's busiest day", recorded("worldcup.csv", each=15)),
    Load("worldcup-hour", "held out", "its busiest hour", recorded("worldcup.csv", 955, 1015)),
    Load("llm-conv", "held out", "single requests of a chat", replayed("llm_conv.csv")),
    Load("poisson", "held out", "8 a second", _drawn(lambda x, _: Poisson(8, lasts=LASTS, length=x))),
    Load("square", "held out", "3 or 13, 2 min each", _drawn(lambda x, _: Square(3, 13, "4m", lasts=LASTS, length=x))),
    Load(
        "flash",
        "held out",
        "3, then 40 in 5 s",
        _drawn(lambda x, _: Flash(3, 40, "5m", "5s", "60s", lasts=LASTS, length=x)),
    ),
    Load("clock", "held out", "6, and 20 at once each minute", _drawn(_clock)),
    Load("long-lived", "held out", "3; 2 % last 100 times as long", _drawn(_mixed)),
)
BY_NAME = {load.name: load for load in LOADS}
