"""The style `protocol`: an asyncio.Protocol (or BufferedProtocol) of the user's for each connection, as it is.

Theory. Nobody but the protocol knows when a request is under way. One that defines `shutdown()`, as uvicorn's and
aiohttp's do, is called at a drain, and closes its transport when it is done; it may be a coroutine function. Any other
goes on until its peer or itself ends it, or the deadline does. It is asked of the protocol that the transport has at
that moment; of one behind `start_tls` the transport knows only asyncio's, so that the connection's first is asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from prefork.backends.transports import Carried

if TYPE_CHECKING:
    import socket

    from prefork.backends.carrying import Carrier


class ProtocolSession(Carried):
    """One connection and its protocol."""

    __slots__ = ("_leaving",)

    def __init__(self, carrier: Carrier, connection: socket.SocketType, peer: object, listener: object) -> None:
        super().__init__(carrier, connection, peer, listener)
        self._leaving: asyncio.Task[Any] | None = None

    def make(self) -> asyncio.BaseProtocol:
        """What the app's class, or factory, makes. Raises TypeError where that is no protocol."""
        factory = self.carrier.app.handler
        made: asyncio.BaseProtocol = factory()
        if not hasattr(made, "connection_made"):
            raise TypeError(f"{factory!r:.60} made a {type(made).__qualname__}, not an asyncio.Protocol")
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
