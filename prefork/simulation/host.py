"""The machine under the pool: how long births take, how many connections wait, what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork.simulation.durations import share

if TYPE_CHECKING:
    from prefork.simulation.durations import Duration


@dataclass(frozen=True)
class Killed:
    """At `at`, so many serving workers end by `signal`, sent by somebody else; who, is drawn."""

    at: Duration
    workers: int = 1
    signal: int = 9


@dataclass(frozen=True)
class Crashed:
    """At `at`, so many serving workers end by themselves, with exit code 1."""

    at: Duration
    workers: int = 1


@dataclass(frozen=True)
class Hung:
    """At `at`, the loops of so many serving workers stop for ever: no beat, no accept, no session ends."""

    at: Duration
    workers: int = 1


Fault = Killed | Crashed | Hung


@dataclass(frozen=True)
class Host:
    """What `simulate` takes for granted. A worker has two resources: its places, and its loop's time."""

    spawn_time: Duration = "200ms"
    """From a mold's turn at a birth to READY; a mold makes one worker at a time."""
    boot_time: Duration = "0s"
    """From there to READY, each worker by itself: what `started` takes in the worker."""
    import_time: Duration = "1s"
    """From a mold's start to READY, for all but the first where the pool starts `warm`."""
    warm: bool = True
    """The traffic begins when the first workers serve; else when the master starts."""
    backlog: int = 2048
    """Connections that the accept queue holds; more are refused."""
    order_delay: Duration = "200us"
    """From the master's order to the worker that acts on it."""
    exit_time: Duration = "10ms"
    """From a worker's last session to its exit."""
    lull: Duration | None = None
    """A bell that tells of no more sessions than the last look saw calls for a look so long after it; 0: at once.

    The real master looks at once, and sizing that counts arrivals at its looks needs that: None is 0 for demand, else
    250 ms, with which a run of 16 sessions a second costs half as much; in six loads no figure of the waits changed,
    and the mean number of workers by 0.3 % at most.
    """
    busy: float = 0.05
    """Share of its time for which a session keeps its worker's loop busy: 20 fill a loop, and more slow each other."""
    boot_failures: float = 0.0
    """Share of births that end with exit code 1 instead of READY."""
    boot_hangs: float = 0.0
    """Share of births that never become READY."""
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        share(self.boot_failures, "boot_failures")
        share(self.boot_hangs, "boot_hangs")
        share(self.busy, "busy")
        if self.backlog < 0:
            raise ValueError(f"backlog ({self.backlog}) is negative: write how many connections may wait")
