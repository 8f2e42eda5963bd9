"""What a session that may block runs, in a thread of its own: code of the styles `socket` and `wsgi`. Knows no loop.

Theory. Such code is called once for a connection, with a socket that blocks, and the session lasts until it returns. So
nobody but the code itself can know whether the session is idle. WSGI's does, and tells its *visit*; of a handler of
sockets nothing is known, and a worker that drains lets it read the end of its peer's input instead.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from prefork.app.request_server import RequestServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from prefork.app.app import App
    from prefork.app.styles import Style

    Code = Callable[["Visit"], object]

BLOCKING: Final[frozenset[Style]] = frozenset({"socket", "wsgi"})


class Visit(Protocol):
    """One session, for the code that it runs."""

    connection: socket.socket
    """Blocks; closed when the code returns."""
    peer: Any
    """Its name, as the socket module tells it."""
    listener: Any
    """The name of the listener that took it, likewise."""
    idle: bool | None
    """Whether the code waits for the peer with nothing half done, as it tells; None: it doesn't tell."""

    @property
    def is_draining(self) -> bool:
        """The worker has been told to finish its sessions."""


def code_of(app: App, stop: Callable[[], None]) -> Code:
    """What each session of `app`, which is of a BLOCKING style, runs; `stop()` stops the pool, from any thread."""
    if app.style == "wsgi":
        from prefork.app.wsgi import Gateway  # noqa: PLC0415 - an extra

        return Gateway(app.handler)
    if isinstance(app.handler, Served):
        return app.handler.code(stop)
    handler: Any = app.handler
    if is_request_handler(handler):
        return Served(RequestServer, handler).code(stop)
    return lambda visit: handler(visit.connection)


def is_request_handler(handler: object) -> bool:
    """Whether it is a class of `socketserver`'s; nobody's module is imported to find out."""
    base = getattr(sys.modules.get("socketserver"), "BaseRequestHandler", None)
    return base is not None and isinstance(handler, type) and issubclass(handler, base)


class Served:
    """A class of handlers with the class of the server that it is to see: an App's handler, of style `socket`."""

    def __init__(self, kind: type[RequestServer], handler: type) -> None:
        self._kind = kind
        self._handler = handler

    def __call__(self, _connection: socket.socket, /) -> None:
        """For what asks whether it can be called; a worker runs `code`."""
        raise TypeError("handlers of a server are run by its workers, as code() says")

    def code(self, stop: Callable[[], None]) -> Code:
        """What a session runs: as `socketserver` does, with a server for each listener."""
        servers: dict[object, RequestServer] = {}

        def code(visit: Visit) -> None:
            found = servers.get(visit.listener)
            if found is None:
                found = servers.setdefault(visit.listener, self._kind.of(self._handler, visit.listener, stop))
            found.process(visit.connection, visit.peer)

        return code
