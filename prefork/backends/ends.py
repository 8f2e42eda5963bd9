"""What a session may ask of its connection: its two ends, its state, its worker and pool."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from prefork.app.session import Conn
from prefork.backends.preface import address

if TYPE_CHECKING:
    from prefork.app.session import Address, Tls
    from prefork.app.worker import Server, Worker
    from prefork.backends.host import Host

OPEN, CLOSING, ABORTING, CLOSED = range(4)
"""States of a link: see `link`."""


class Ends(Conn):
    """The part of a link that changes nothing."""

    __slots__ = ("_draining", "_host", "_listener", "_peer", "_state")

    def __init__(self, host: Host, peer: object, listener: object) -> None:
        """Names as socket's."""
        self._host: Final = host
        self._peer = peer
        self._listener = listener
        self._state = OPEN
        self._draining = False

    @abstractmethod
    def _local(self) -> object:
        """The name of this end. Raises OSError once released."""

    @property
    def is_closing(self) -> bool:
        """Whether the session has ended or was told to."""
        return self._state != OPEN

    @property
    def is_draining(self) -> bool:
        """Whether the worker drains."""
        return self._draining

    @property
    def peer(self) -> Address:
        """The other end."""
        return address(self._peer)

    @property
    def local(self) -> Address:
        """This end."""
        try:
            return address(self._local())
        except OSError:
            return address(self._listener)

    @property
    def listener(self) -> Address:
        """The listener that took the connection."""
        return address(self._listener)

    @property
    def tls(self) -> Tls | None:
        """None: a link over TLS says more."""
        return None

    @property
    def worker(self) -> Worker:
        """The worker."""
        return self._host.worker

    @property
    def server(self) -> Server:
        """The pool."""
        return self._host.server
