"""For users of `socketserver`: the same server object, served by a pool.

    from prefork.socketserver import PreforkTCPServer

    with PreforkTCPServer(("127.0.0.1", 9999), Handler) as server:
        server.serve_forever()

Theory. The constructor only remembers; `serve_forever` is `prefork.serve`: this process becomes the master, which
binds, and each worker makes an object of the same class for its handlers. A class is shared by importing it, so what
handlers want of their server belongs there; what is set on the instance would never reach them, and is refused.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any, Self

from prefork.app.request_server import RequestServer

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from prefork.app.app import App
    from prefork.policy.config import PoolConfig

__all__ = ["PreforkTCPServer", "PreforkUnixStreamServer"]

_NEVER_CALLED = (
    "process_request",
    "get_request",
    "handle_timeout",
    "service_actions",
    "shutdown_request",
    "close_request",
    "server_bind",
    "server_activate",
)
_OWN = frozenset({"RequestHandlerClass", "server_address", "_settings", "_stop"})


class PreforkTCPServer(RequestServer):
    """As `socketserver.TCPServer`, but for what belongs to one process.

    A subclass may override `verify_request`, `finish_request` and `handle_error`, which are called in the session's
    thread, and have attributes and methods of its own. Raises TypeError, when a class is made, for a method of
    `socketserver`'s that would never be called: a mix-in's `process_request`, say.
    """

    address_family: int = socket.AF_INET
    request_queue_size: int | None = None
    """The backlog; None: prefork's own default."""
    allow_reuse_address: bool = True
    """Always so."""

    def __init_subclass__(cls, **more: Any) -> None:  # noqa: ANN401 - as object's
        super().__init_subclass__(**more)
        for name in _NEVER_CALLED:
            if getattr(cls, name, None) is not getattr(PreforkTCPServer, name, None):
                raise TypeError(f"{cls.__qualname__}.{name} would never be called: {_cure(name)}")

    def __init__(  # noqa: PLR0913 - socketserver's three, and those of prefork.serve
        self,
        server_address: Any,  # noqa: ANN401 - as socketserver's: (host, port), or a path
        RequestHandlerClass: Any,  # noqa: ANN401, N803 - socketserver's name
        bind_and_activate: bool = True,  # noqa: ARG002 - binding is serve_forever's in any case
        *,
        pool: PoolConfig | None = None,
        backend: str = "threads",
        backends: dict[str, dict[str, Any]] | None = None,
        control: str | Path | Literal[False] | None = None,
        name: str = "prefork",
    ) -> None:
        """`server_address` and the handler as for `socketserver`; the keywords are those of `prefork.serve`.

        Raises TypeError for what is no address of the family, and for what serves no connection.
        """
        self._check_address(server_address)
        _check_handler(RequestHandlerClass)
        self.server_address = server_address
        self.RequestHandlerClass = RequestHandlerClass
        self._settings = {"pool": pool, "backend": backend, "backends": backends, "control": control, "name": name}

    @classmethod
    def app_of(cls, handler: Any) -> App:  # noqa: ANN401 - as socketserver's
        """The app whose handlers see a server of this class. For a name: `module:Server.app_of(module:Handler)`."""
        from prefork.app.app import App  # noqa: PLC0415 - this module is imported by handlers' modules as well
        from prefork.app.blocking import Served  # noqa: PLC0415

        _check_handler(handler)
        return App(Served(cls, handler), style="socket")

    def serve_forever(self, poll_interval: float = 0.5) -> None:  # noqa: ARG002 - nothing polls
        """Serve until the pool is stopped: by a signal, the control socket, or `shutdown`. Main thread only.

        `server_address` has the real port from when it is bound. Raises PreforkError when the pool can't start or go
        on, TypeError for attributes that would not reach the handlers.
        """
        from prefork.app.naming import name_of  # noqa: PLC0415 - a worker imports this module, and needs none of it
        from prefork.master.serve import named_config, serve_config  # noqa: PLC0415

        if lost := [*(vars(self).keys() - _OWN)]:
            kind = type(self).__qualname__
            raise TypeError(f"{kind}.{lost[0]}: set on the instance, it doesn't reach the workers: set it on the class")
        app = f"{name_of(type(self))}.app_of({name_of(self.RequestHandlerClass)})"
        config = named_config(app, listen=[self._table()], **self._settings)
        self._stop = _stop_this_process
        try:
            serve_config(config, self._bound)
        finally:
            self._stop = None

    def server_bind(self) -> None:
        """Nothing: `serve_forever` binds."""

    def server_activate(self) -> None:
        """Nothing: `serve_forever` listens."""

    def server_close(self) -> None:
        """Nothing: `serve_forever` closes when it returns."""

    def handle_request(self) -> None:
        """Raises RuntimeError: a pool serves until it is stopped."""
        raise RuntimeError(f"{type(self).__qualname__} serves until it is stopped: call serve_forever()")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server_close()

    def _table(self) -> dict[str, Any]:
        """The listener, as the config has it."""
        backlog = {} if self.request_queue_size is None else {"backlog": self.request_queue_size}
        return {"url": self._url(), **backlog}

    def _check_address(self, given: object) -> None:
        """Raise TypeError for an address of another form than `socketserver` takes."""
        match given:
            case (str(), int(), *_):
                return
            case str():
                host, colon, port = given.rpartition("//")[2].rpartition(":")
                cure = (
                    f"say ({host.strip('[]')!r}, {port})"
                    if colon and port.isdecimal()
                    else "say such as ('127.0.0.1', 9999)"
                )
            case _:
                cure = "say such as ('127.0.0.1', 9999)"
        raise TypeError(f"{type(self).__qualname__}: an address is (host, port), not {given!r:.60}: {cure}")

    def _url(self) -> str:
        host, port = self.server_address[:2]
        if self.address_family == socket.AF_INET6:
            return f"tcp://[{host or '::'}]:{port}"
        return f"tcp://{host or '0.0.0.0'}:{port}"  # noqa: S104 - as socketserver has it

    def _bound(self, said: dict[str, Any]) -> None:
        from prefork.address import UnixAddress, parse_address  # noqa: PLC0415 - as in serve_forever

        address = parse_address(said["addresses"][0])
        self.server_address = address.path if isinstance(address, UnixAddress) else tuple(address)


class PreforkUnixStreamServer(PreforkTCPServer):
    """As `socketserver.UnixStreamServer`: `server_address` is a path."""

    address_family = socket.AF_UNIX

    def _check_address(self, given: object) -> None:
        if not isinstance(given, str | bytes | os.PathLike):
            raise TypeError(
                f"{type(self).__qualname__}: an address is a path, not {given!r:.60}: say such as '/run/x.sock'"
            )

    def _url(self) -> str:
        return f"unix:{os.fsdecode(self.server_address)}"


def _check_handler(handler: object) -> None:
    """Raise TypeError for what isn't made as `socketserver` makes its handlers, or serves no connection."""
    from prefork.app.calls import check_request_handler  # noqa: PLC0415 - as App
    from prefork.app.styles import refuse_other_bases  # noqa: PLC0415

    refuse_other_bases(handler)
    check_request_handler(handler)


def _cure(name: str) -> str:
    match name:
        case "process_request":
            return "leave ThreadingMixIn and ForkingMixIn out, for each connection has its thread"
        case "get_request" | "server_bind" | "server_activate":
            return "the master binds and the workers accept; see the keywords of PreforkTCPServer"
        case _:
            return "override verify_request, finish_request or handle_error, or the handler's own methods"


def _stop_this_process() -> None:
    """As an operator would: the master is in this process."""
    os.kill(os.getpid(), signal.SIGTERM)
