"""The style `protocol`: an asyncio.Protocol (or BufferedProtocol) of the user's for each connection, as it is.

Theory. Nobody but the protocol knows when a request is under way. One that defines `shutdown()`, as uvicorn's and
aiohttp's do, is called at a drain, and closes its transport when it is done; it may be a coroutine function. Any other
goes on until its peer or itself ends it, or the deadline does. It is asked of the protocol that the transport has at
that moment; of one behind `start_tls` the transport knows only asyncio's, so that the connection's first is asked.

A transport takes each OSError that leaves a protocol for the connection's own, and is silent. Yet a connection is lost
outside of the protocol's code; what leaves that is a file's, a database's. So the protocol's class is replaced by one
that tells it: a subclass of it, with its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from functools import lru_cache, wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from prefork.backends.transports import Carried, current

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Hashable

    from prefork.backends.carrying import Carrier


_MUTED: Final = ("data_received", "buffer_updated", "eof_received")
"""Methods whose OSError a transport doesn't tell."""


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


@lru_cache
def _telling(kind: Hashable) -> Any:  # noqa: ANN401 - a class, and a subclass of it
    """The class, with its OSErrors told."""
    muted = ((name, inspect.getattr_static(kind, name, None)) for name in _MUTED)
    told = {name: _told(method) for name, method in muted if isinstance(method, FunctionType)}
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind)(kind.__name__, (kind,), {**names, "__slots__": (), **told})  # type: ignore[attr-defined,call-arg]


def _told(method: FunctionType) -> Callable[..., Any]:
    @wraps(method)
    def call(self: object, *args: Any) -> Any:  # noqa: ANN401 - as the method
        try:
            return method(self, *args)
        except OSError as error:
            session = current()
            if session is not None:
                session.tell(error)
            raise

    return call
