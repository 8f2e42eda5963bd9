"""The style `protocol`: an asyncio.Protocol (or BufferedProtocol) of the user's for each connection, as it is.

Theory. Nobody but the protocol knows when a request is under way. One that defines `shutdown()`, as uvicorn's and
aiohttp's do, is called at a drain, and closes its transport when it is done; it may be a coroutine function. Any other
goes on until its peer or itself ends it, or the deadline does. It is asked of the protocol that the transport has at
that moment; of one behind `start_tls` the transport knows only asyncio's, so that the connection's first is asked.

A transport takes each OSError that leaves a protocol for the connection's own, and is silent. Yet a connection is lost
in the loop's code: an error whose traceback has been elsewhere is a file's, a database's. Nobody but the protocol gets
it, at its end; so the protocol's class is replaced by one that shows it to the session: a subclass of it, with its
name. Nothing stands in the way of what comes before.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

from prefork.backends.transports import Carried, current

if TYPE_CHECKING:
    import socket
    from collections.abc import Hashable

    from prefork.backends.carrying import Carrier


_LOOPS: Final = frozenset({"asyncio", "ssl", "uvloop"})
"""Packages in which a connection is lost."""
_NAMES: Final = ("__module__", "__name__", "__qualname__", "__doc__")


class ProtocolSession(Carried):
    """One connection and its protocol."""

    __slots__ = ("_leaving", "_told")

    def __init__(self, carrier: Carrier, connection: socket.SocketType, peer: object, listener: object) -> None:
        super().__init__(carrier, connection, peer, listener)
        self._leaving: asyncio.Task[Any] | None = None
        self._told: BaseException | None = None

    def make(self) -> asyncio.BaseProtocol:
        """What the app's class, or factory, makes. Raises TypeError where that is no protocol."""
        factory = self.carrier.app.handler
        made: asyncio.BaseProtocol = factory()
        if not hasattr(made, "connection_made"):
            raise TypeError(f"{factory!r:.60} made a {type(made).__qualname__}, not an asyncio.Protocol")
        with contextlib.suppress(TypeError):  # of a class that can't be derived from, or not so
            made.__class__ = _telling(type(made))  # type: ignore[arg-type] # mypy 1: a type is no Hashable
        return made

    def finish(self) -> None:
        """Ask the protocol, if it can be asked."""
        protocol = self.transport.get_protocol()
        if type(protocol).__name__ == "SSLProtocol":
            protocol = self.made
        shutdown = getattr(protocol, "shutdown", None)
        if callable(shutdown) and asyncio.iscoroutine(asked := shutdown()):
            self._leaving = asyncio.get_running_loop().create_task(asked)
            self._leaving.add_done_callback(self._asked)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Its `shutdown`, while that runs."""
        return [] if self._leaving is None or self._leaving.done() else [self._leaving]

    def _asked(self, leaving: asyncio.Task[Any]) -> None:
        error = None if leaving.cancelled() else leaving.exception()
        if error is not None:
            self.failed(error)

    def tell(self, error: BaseException) -> None:
        """Say so, and remember it."""
        self._told = error
        super().tell(error)

    def lost(self, why: BaseException | None) -> None:
        """The protocol is about to hear by what its connection ends: tell what is an error of its own."""
        if isinstance(why, OSError) and why is not self._told and _is_of_the_protocol(why):
            self.tell(why)


def _is_of_the_protocol(error: OSError) -> bool:
    """Whether it came through code that isn't the loop's; the connection's own on uvloop has no traceback at all."""
    names = (str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__))
    return any(name.partition(".")[0] not in _LOOPS for name in names)


@lru_cache
def _telling(kind: Hashable) -> Any:  # noqa: ANN401 - a class, and a subclass of it
    """The class, whose `connection_lost` lets the session see the reason first."""

    class Telling(kind):  # type: ignore[misc,valid-type]
        __slots__ = ()

        def connection_lost(self, exc: Exception | None) -> None:
            session = current()
            if isinstance(session, ProtocolSession):
                session.lost(exc)
            super().connection_lost(exc)

    for name in _NAMES:
        setattr(Telling, name, getattr(kind, name))
    return Telling
