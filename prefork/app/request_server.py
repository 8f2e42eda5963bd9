"""What a handler of `socketserver` sees as its `server`, in a worker: the worker's half of `prefork.socketserver`.

Theory. A server object of `socketserver` both listens and is known to handlers. Here the master listens, and each
worker has an object of the same class, made without its `__init__`: classes are shared by processes, instances aren't.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class RequestServer:
    """What handlers use of their server. `verify_request`, `finish_request` and `handle_error` may be overridden."""

    RequestHandlerClass: Any
    server_address: Any
    """Of the listener that took the connection, as the socket module tells it."""
    timeout: float | None = None
    """As a server of `socketserver` has it; a handler's own `timeout` is the one that counts."""
    _stop: Callable[[], None] | None = None

    @classmethod
    def of(cls, handler: type, listener: object, stop: Callable[[], None]) -> Self:
        """The server that the handlers of one listener see. `stop()`: stops the pool, from any thread."""
        made = cls.__new__(cls)
        made.RequestHandlerClass = handler
        made.server_address = listener
        made._stop = stop  # noqa: SLF001 - its own class
        return made

    @property
    def server_name(self) -> str:
        """The host's name, as `http.server` has it; of a Unix socket its path."""
        name = self.server_address
        return socket.getfqdn(name[0]) if isinstance(name, tuple) else str(name)

    @property
    def server_port(self) -> int:
        """As `http.server` has it; 0: a Unix socket."""
        name = self.server_address
        return int(name[1]) if isinstance(name, tuple) else 0

    def process(self, request: socket.socket, client_address: Any) -> None:  # noqa: ANN401 - as socket's
        """Serve one connection; closing it is the caller's."""
        if not self.verify_request(request, client_address):
            return
        try:
            self.finish_request(request, client_address)
        except Exception:
            if type(self).handle_error is RequestServer.handle_error:
                raise
            self.handle_error(request, client_address)

    def verify_request(self, request: socket.socket, client_address: Any) -> bool:  # noqa: ANN401, ARG002 - socketserver's
        """Whether the connection is to be served; called in its thread. By default: yes."""
        return True

    def finish_request(self, request: socket.socket, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Make the handler, which serves the connection in its `__init__`."""
        self.RequestHandlerClass(request, client_address, self)

    def handle_error(self, request: socket.socket, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Called while a handler's exception is handled, where overridden; else the session ends by it."""

    def shutdown(self) -> None:
        """Stop the pool, in an orderly way; returns at once, so that a handler may ask for it."""
        if self._stop is not None:
            self._stop()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - raises
        kind = type(self).__qualname__
        raise AttributeError(f"{kind!r} object has no attribute {name!r}: workers share what is set on the class alone")
