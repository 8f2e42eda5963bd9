"""What goes wrong at its instant, and whom it hits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.model import Phase
from prefork.simulation.agenda import ORIGIN
from prefork.simulation.durations import as_ns
from prefork.simulation.host import Hung, Killed
from prefork.simulation.house import CRASH

if TYPE_CHECKING:
    from random import Random

    from prefork.simulation.agenda import Agenda
    from prefork.simulation.host import Fault, Host
    from prefork.simulation.house import House


class Faults:
    """Planned when made; victims are drawn among those who serve, all of them where there are too few."""

    def __init__(self, agenda: Agenda, house: House, host: Host, rng: Random) -> None:
        self._house = house
        self._rng = rng
        for fault in host.faults:
            agenda.plan(ORIGIN + as_ns(fault.at, "at"), self._strike, fault)

    def _strike(self, fault: Fault) -> None:
        house = self._house
        serving = [each for each in house.workers.values() if each.phase is Phase.SERVING and each.hung_at is None]
        for victim in self._rng.sample(serving, min(fault.workers, len(serving))):
            if isinstance(fault, Hung):
                house.hang(victim)
            else:
                house.reap(victim, (None, fault.signal) if isinstance(fault, Killed) else CRASH)
