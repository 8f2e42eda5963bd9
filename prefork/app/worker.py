"""The process that a session lives in, and the pool around it, as the user's code sees them.

Theory. A worker asks, the master orders: what is called here is a request that travels to the master and comes back as
an order, milliseconds later, so that the master's view of the pool is always the truth. A pause made here belongs to
the app: an operator's `prefork resume` doesn't take it back, nor does `resume` here take back an operator's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Worker(ABC):
    """This worker process. For the loop's own thread."""

    __slots__ = ()

    @property
    @abstractmethod
    def id(self) -> int:
        """Its number, as in `prefork status` and the log; never used again by this master."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The pool's."""

    @property
    @abstractmethod
    def sessions(self) -> int:
        """How many it holds."""

    @abstractmethod
    def drain(self) -> None:
        """Finish the sessions and end; another worker takes the place."""

    @abstractmethod
    def pause(self) -> None:
        """Accept nobody any more, until `resume`; the sessions go on."""

    @abstractmethod
    def resume(self) -> None:
        """Take the app's own pause back."""


class Server(ABC):
    """The whole pool. For the loop's own thread."""

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """The `name` of the config."""

    @abstractmethod
    def stop(self) -> None:
        """Drain every worker and end the pool, as TERM to the master does; said again it changes nothing."""
