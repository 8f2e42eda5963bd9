"""What every part of a run shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prefork.simulation.agenda import Agenda
    from prefork.simulation.listener import Listener
    from prefork.simulation.looks import Looks
    from prefork.simulation.loops import Loops
    from prefork.simulation.tally import Tally


class Scene(NamedTuple):
    """The clock, the listener, the workers' loops, when the master looks, and what is counted."""

    agenda: Agenda
    looks: Looks
    tally: Tally
    listener: Listener
    loops: Loops
