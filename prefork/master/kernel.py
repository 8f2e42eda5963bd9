"""The seam to the operating system, as the rest of the master sees it: what may be asked, and what comes back.

Theory. `Kernel` is the whole of what the master asks of the world. `LinuxKernel` is that world, `prefork.testing`'s
FakeKernel another one, without processes; both run one suite (tests/contract/test_kernel.py). `wait` returns facts;
what the operating system refuses is a fact as well, not an exception. A fact about a worker comes after all that the
worker had said before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.master.facts import Fact
    from prefork.master.listeners import Queue
    from prefork.policy.model import WorkerId


class Kernel(Protocol):
    """What the master asks of the world."""

    wakeups: int
    """How often `wait` returned."""

    def now(self) -> int:
        """Monotonic ns."""

    def wait(self, until: int | None) -> list[Fact]:
        """Facts, oldest first; empty when `until` passed without one. None: wait for a fact."""

    def start_mold(self, generation: int, settings: dict[str, Any]) -> None:
        """Start a mold; MoldExited follows where that is refused."""

    def end_mold(self, generation: int, *, force: bool) -> None:
        """Close its channel, or SIGKILL it."""

    def fork(self, worker: WorkerId, generation: int, words: Mapping[int, int]) -> None:
        """Ask the mold for a worker whose slot says `words`; WorkerUnborn follows where that is refused."""

    def tell(self, worker: WorkerId, wanted: int, drain_by: int) -> None:
        """Write the worker's WANTED and DRAIN_BY words and ring."""

    def ring(self, worker: WorkerId) -> None:
        """Ring only: a connection may wait."""

    def signal(self, worker: WorkerId, signum: int) -> None:
        """Signal the worker through its pidfd; SIGKILL also ends one that is not born yet, its mold apart."""

    def words(self, worker: WorkerId) -> list[int] | None:
        """The worker's slot; None where it is gone."""

    def pid(self, worker: WorkerId) -> int | None:
        """For display only: it never enters the policy."""

    def mold_pid(self, generation: int) -> int | None:
        """For display only."""

    def cpu(self, worker: WorkerId) -> int | None:
        """CPU ns that the worker has burnt."""

    def listen(self) -> list[str]:
        """Bind every listener, then let clients come; the URLs, with real ports. Raises ConfigError, having bound none.

        Before that no client can connect. Called once.
        """

    def starved(self, worker: WorkerId) -> int | None:
        """Time (ns) for which the worker's main thread could have run and had no CPU; None: unknown."""

    def queues(self) -> list[Queue]:
        """Each listener's accept queue, in order."""

    def arm(self, listener: int) -> None:
        """Report the listener once when connections wait on it."""

    def seal(self) -> None:
        """No listener takes new connections."""

    def shut(self) -> None:
        """Every listener refuses."""

    def judge(self, number: int, question: dict[str, Any]) -> None:
        """Have a child read the config (`judges` has the question); Judged follows, also where that is refused."""

    def end_judge(self, number: int) -> None:
        """SIGKILL it, if it still runs; Judged follows then too."""

    def reply(self, client: int, answer: dict[str, Any]) -> None:
        """Answer a client of the control socket."""
