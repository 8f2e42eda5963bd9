"""A run: arrivals, whatever is planned and the master's looks, in the order of their instants.

Theory. A discrete-event simulation: between two events nothing changes, so the clock jumps from one to the next. Three
sources are merged: the traffic (an iterator that is one arrival ahead), the agenda, and the next look. Of one instant
arrivals come first, then the agenda, then the look, which so sees all of it. Every number drawn comes from a generator
that belongs to the seed and to one purpose; nothing here asks a real clock, iterates over a set or hashes a string. So
a seed is a run, on every machine.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from prefork.policy.limits import PPM
from prefork.policy.units import NS
from prefork.simulation.agenda import ORIGIN, Agenda
from prefork.simulation.durations import as_ns
from prefork.simulation.faults import Faults
from prefork.simulation.house import House
from prefork.simulation.listener import Listener
from prefork.simulation.looks import Looks
from prefork.simulation.loops import Loops
from prefork.simulation.master import Master, Policy
from prefork.simulation.molds import Molds
from prefork.simulation.scene import Scene
from prefork.simulation.tally import Tally

if TYPE_CHECKING:
    from prefork.policy.config import PoolConfig
    from prefork.simulation.host import Host
    from prefork.simulation.traffic import Traffic

SAMPLES = 1000
"""Equal parts of a run for which the means are kept; the last one ends with it."""
_LULL_NS = NS // 4
_MOST_ROUNDS = 100
"""Until a pool is up; one takes two or three."""


class World:
    """One pool on one host; `play` once."""

    def __init__(self, policy: Policy, host: Host, seed: int) -> None:
        agenda, tally = Agenda(), Tally()
        looks = Looks(agenda, tally.sessions, _lull_ns(host, policy.config))
        loops = Loops(agenda, round(host.busy * PPM))
        self.scene = Scene(agenda, looks, tally, Listener(agenda, looks, loops, tally, host.backlog), loops)
        self.house = House(self.scene, host)
        self.molds = Molds(self.scene, self.house, host, Random(f"{seed} births"))
        self.master = Master(policy, self.scene, self.house, self.molds)
        self._host = host
        self._seed = seed

    def play(self, traffic: Traffic) -> None:
        """Let the traffic come; the run ends with it. Raises ValueError for traffic or a host that can't be."""
        agenda, listener = self.scene.agenda, self.scene.listener
        end = ORIGIN + traffic.lasts_ns
        Faults(agenda, self.house, self._host, Random(f"{self._seed} faults"))
        self._plan_samples(traffic.lasts_ns)
        if self._host.warm:
            self._warm_up()
        for at, length in traffic.sessions(self._seed):
            self._until(ORIGIN + at)
            agenda.now = ORIGIN + at
            listener.arrive(length)
        self._until(end)
        self.scene.tally.end(listener.waiting, end)

    def _until(self, instant: int) -> None:
        """Let happen whatever comes before this instant."""
        agenda, looks, look = self.scene.agenda, self.scene.looks, self.master.look
        heap, happen = agenda.heap, agenda.next
        while True:
            if heap and heap[0][0] <= looks.at:
                if heap[0][0] >= instant:
                    return
                happen()
            elif looks.at >= instant:
                return
            else:
                agenda.now = looks.at
                look()

    def _warm_up(self) -> None:
        """The pool is up, in no time: whoever is ordered serves."""
        self.molds.at_once = True
        for _ in range(_MOST_ROUNDS):
            plan = self.master.look()
            self._until(ORIGIN + 1)
            if not plan.decisions:
                break
        self.molds.at_once = False

    def _plan_samples(self, lasts_ns: int) -> None:
        for part in range(1, SAMPLES):
            self.scene.agenda.plan(ORIGIN + lasts_ns * part // SAMPLES, self._sample, None)

    def _sample(self, _: None) -> None:
        self.scene.tally.sample(self.scene.agenda.now)


def _lull_ns(host: Host, config: PoolConfig) -> int:
    """What the host says, or else none where arrivals are counted at looks."""
    if host.lull is not None:
        return as_ns(host.lull, "lull")
    return 0 if config.sizing.kind == "demand" else _LULL_NS
