"""What the master learns: one small value each, from the kernel seam or from a decision that was performed."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.master.totals import Totals

if TYPE_CHECKING:
    from prefork import wire
    from prefork.config import ServerConfig
    from prefork.errors import PreforkError
    from prefork.policy.config import PoolConfig
    from prefork.policy.model import Decision, WorkerId


def signal_name(signum: int) -> str:
    """`SIGKILL`, or `signal 64` for one without a name."""
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


class Signalled(NamedTuple):
    """The master got `signum`, `times` times since the last look (the kernel coalesces: at least so often)."""

    signum: int
    times: int


class WorkerSaid(NamedTuple):
    """A worker's record."""

    worker: WorkerId
    record: wire.Record


_MOLD_GONE = (errno.ESRCH, errno.ECHILD)
"""It was before the order came to it, or went while the birth waited."""


class WorkerUnborn(NamedTuple):
    """Nothing is left of a worker that never spoke: fork failed with `errno`, or (0) it ended before that."""

    worker: WorkerId
    errno: int = 0

    @property
    def how(self) -> str:
        """As the end of a sentence."""
        if self.errno in _MOLD_GONE:
            return "not born: its mold is gone"
        return f"not born: fork: {os.strerror(self.errno)}" if self.errno else "not born: it ended before it spoke"


class WorkerExited(NamedTuple):
    """The worker was reaped. Exactly one of `code` and `signal` is set; `dump` is what it left of its stacks."""

    worker: WorkerId
    code: int | None
    signal: int | None
    oom: bool = False
    dump: str = ""
    accepted: int = 0
    """Sessions that it ever accepted."""
    lost: int = 0
    """Sessions that it held at its end."""
    dropped: int = 0
    """Log lines that it could not write."""
    totals: Totals = Totals()
    """Of its whole life; arrivals include connections that it refused."""

    @property
    def how(self) -> str:
        """As the end of a sentence."""
        end = f"exit code {self.code}" if self.signal is None else signal_name(self.signal)
        return f"{end}, out of memory" if self.oom else end

    @property
    def losses(self) -> str:
        """What comes behind that: `, with 2 sessions`; empty where it held none."""
        return f", with {self.lost} session{'' if self.lost == 1 else 's'}" if self.lost else ""


class MoldSaid(NamedTuple):
    """A mold's record."""

    generation: int
    record: wire.Record


class MoldExited(NamedTuple):
    """The mold was reaped; `how` is a sentence's end, such as `exit code 1` or `SIGKILL`."""

    generation: int
    how: str


class StrangerReaped(NamedTuple):
    """A child that is no worker of ours ended (as PID 1, or as subreaper, the master inherits such)."""

    pid: int


class ListenerReadable(NamedTuple):
    """Connections wait on the listener with this index."""

    listener: int


class Asked(NamedTuple):
    """A client of the control socket asks; it is owed one reply."""

    client: int
    command: str
    args: dict[str, Any]


class ConfigRead(NamedTuple):
    """A config as its sources give it at a reload, plain, its certificates judged."""

    config: ServerConfig
    origins: dict[str, str]
    """Dotted field -> who said it; a default has no entry."""
    candidate: PoolConfig | PreforkError | None = None
    """The shadow's, plain, or what refuses it; None: there is no shadow."""


class Judged(NamedTuple):
    """The judge with this number was reaped: what it has read, or why that is no config."""

    judge: int
    answer: ConfigRead | PreforkError


class Performed(NamedTuple):
    """A decision was carried out; `worker` is the newcomer of a Spawn."""

    decision: Decision
    at: int
    worker: WorkerId | None = None


Fact = (
    Signalled
    | WorkerSaid
    | WorkerUnborn
    | WorkerExited
    | MoldSaid
    | MoldExited
    | StrangerReaped
    | ListenerReadable
    | Asked
    | Judged
    | Performed
)
