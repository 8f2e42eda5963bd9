"""A discrete-event world around decide(): try a policy on a load before production does. Pure, and public.

from prefork.simulation import Flash, simulate

run = simulate(PoolConfig(max_workers=40), Flash(base=5, peak=100))
assert run.share_waiting_over("50ms") < 0.01
"""

from prefork.simulation.crowds import ClockBursts, Reconnect, Replay
from prefork.simulation.expectations import Expectation, judge
from prefork.simulation.headers import Columns
from prefork.simulation.host import Crashed, Host, Hung, Killed
from prefork.simulation.lengths import Constant, Exponential, Length, Lognormal, LongLived, Pareto
from prefork.simulation.recordings import Arrivals, read_counts, read_recording, read_sessions
from prefork.simulation.run import Run, simulate
from prefork.simulation.traces import Counts, Recorded, Trace
from prefork.simulation.traffic import Flash, OnOff, Poisson, Sine, Square, Step, Traffic
from prefork.simulation.words import length_of, traffic_of

__all__ = [
    "Arrivals",
    "ClockBursts",
    "Columns",
    "Constant",
    "Counts",
    "Crashed",
    "Expectation",
    "Exponential",
    "Flash",
    "Host",
    "Hung",
    "Killed",
    "Length",
    "Lognormal",
    "LongLived",
    "OnOff",
    "Pareto",
    "Poisson",
    "Reconnect",
    "Recorded",
    "Replay",
    "Run",
    "Sine",
    "Square",
    "Step",
    "Trace",
    "Traffic",
    "judge",
    "length_of",
    "read_counts",
    "read_recording",
    "read_sessions",
    "simulate",
    "traffic_of",
]
