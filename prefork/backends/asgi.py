"""The style `asgi`: an ASGI app behind uvicorn's own HTTP and WebSocket protocols; a session is a connection.

Theory. uvicorn's protocols are made as its server makes them; of that server only the state that they share is left.
`default_headers` is one list for all that is ever answered: the date in it is set when it is looked at, once a second,
and at a drain `connection: close` is added, which by that stands in every response that has not begun. A session has a
set of `tasks` of its own, the requests that run for it: it is over when they are.

At a drain a WebSocket is told 1012, and an HTTP connection closes when its response is sent, or, idle, at once. What a
peer has just sent is no idle connection: one that is younger than 0.1 s, or whose request the kernel still holds or has
come in part, waits for that request, whose response closes it.
"""

from __future__ import annotations

import asyncio
import logging
from email.utils import formatdate
from math import inf
from time import time as now
from typing import TYPE_CHECKING, Any, Final

from prefork.backends.lifespan import Lifespan
from prefork.backends.service import CarryingService
from prefork.backends.transports import FRESH_S, Carried, current
from prefork.backends.uvicorn_settings import configure

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from prefork.backends.carrying import Carrier
    from prefork.backends.tether import Tether

_GLIMPSE_S: Final = 0.03
"""For the lifespan's shutdown where sessions took the whole of the last moment: the master aborts soon after it."""
_CLOSE: Final = (b"connection", b"close")


class SharedState:
    """What uvicorn's protocols share: as `uvicorn.server.ServerState`, but that `tasks` are one session's."""

    __slots__ = ("_headers", "connections", "tasks", "total_requests")

    def __init__(self, headers: Headers, connections: set[Any]) -> None:
        self._headers = headers
        self.connections = connections
        self.tasks: set[asyncio.Task[None]] = set()
        self.total_requests = 0

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """What every response begins with: the one list, with the date of this second."""
        headers = self._headers
        if now() >= headers.until:
            headers.renew()
        return headers.list


class Headers:
    """What every response of a worker begins with."""

    def __init__(self, config: Any) -> None:  # noqa: ANN401 - uvicorn's Config
        dated = bool(config.date_header)
        self.list: list[tuple[bytes, bytes]] = [(b"date", b"")] * dated + list(config.encoded_headers)
        self.until = 0 if dated else inf
        """Seconds, as `time.time` has them: so long the date is right."""

    def renew(self) -> None:
        """Set the date."""
        second = int(now())
        self.list[0] = (b"date", formatdate(second, usegmt=True).encode())
        self.until = second + 1

    def close(self) -> None:
        """From now on each response tells that it is its connection's last."""
        if _CLOSE not in self.list:
            self.list.append(_CLOSE)


class AsgiService(CarryingService):
    """An ASGI app: its lifespan once a worker, around all of its sessions."""

    def __init__(self, handler: Callable[..., Any], settings: Mapping[str, Any], tether: Tether) -> None:
        super().__init__(self._session)
        _lend_log()
        self.config = configure(handler, settings)
        self.headers = Headers(self.config)
        self.connections: set[Any] = set()
        self._lifespan = Lifespan(self.config.loaded_app, self.config.lifespan)
        self._tether = tether

    async def begin(self, leave: Callable[[BaseException], None]) -> None:
        """Run the app's startup. Raises LifespanError."""
        await super().begin(leave)
        await self._lifespan.startup()

    async def end(self) -> None:
        """Run the app's shutdown, as long as the drain may take; behind its deadline there is a moment."""
        await self._lifespan.shutdown(max(self._tether.seconds_left, self._tether.moment_left, _GLIMPSE_S))

    def protocol(self, state: SharedState) -> Any:  # noqa: ANN401 - one of uvicorn's
        """Uvicorn's protocol for one more connection."""
        return self.config.http_protocol_class(config=self.config, server_state=state, app_state=self._lifespan.state)

    def _session(self, *given: Any) -> AsgiSession:  # noqa: ANN401 - as Carried
        return AsgiSession(self, *given)


class AsgiSession(Carried):
    """One connection, over which any number of requests come, or a WebSocket."""

    __slots__ = ("_service", "_state")

    def __init__(
        self,
        service: AsgiService,
        carrier: Carrier,
        connection: socket.SocketType,
        peer: object,
        listener: object,
    ) -> None:
        super().__init__(carrier, connection, peer, listener)
        self._service = service
        self._state = SharedState(service.headers, service.connections)

    def make(self) -> asyncio.BaseProtocol:
        """One of uvicorn's."""
        made: asyncio.BaseProtocol = self._service.protocol(self._state)
        return made

    def tasks(self) -> list[asyncio.Task[Any]]:
        """The requests that run."""
        return list(self._state.tasks)

    def drain(self, now: int, seconds_left: float, /) -> None:
        """The worker drains: whoever is answered from now on is told that the connection closes."""
        self._service.headers.close()
        super().drain(now, seconds_left)

    def finish(self) -> None:
        """Close politely, at once or after the response; look again where a request has come in part."""
        if not self.is_open:
            return
        protocol = self.transport.get_protocol()
        if _in_part(protocol):
            asyncio.get_running_loop().call_later(FRESH_S, self._call, self.finish)
        else:
            protocol.shutdown()


def _in_part(protocol: Any) -> bool:  # noqa: ANN401 - one of uvicorn's
    """Whether a request has begun to come; a protocol that doesn't tell has none.

    httptools makes a scope at a request's first byte, and a cycle of it when its head is there; h11 keeps the bytes.
    """
    scope, cycle = getattr(protocol, "scope", None), getattr(protocol, "cycle", None)
    if hasattr(protocol, "parser"):
        return scope is not None and (cycle is None or cycle.scope is not scope)
    waits = getattr(getattr(protocol, "conn", None), "trailing_data", None)
    return isinstance(waits, tuple) and bool(waits[0]) and (cycle is None or bool(cycle.response_complete))


def _lend_log() -> None:
    """What uvicorn's protocols say is told with the peer, and goes where ours goes, unless the app has its own way.

    As long as nobody sets a level, warnings and errors alone: at INFO each WebSocket is three lines.
    """
    logger, errors = logging.getLogger("uvicorn"), logging.getLogger("uvicorn.error")
    if not any(each.handlers for each in (logger, errors, logging.getLogger())):
        logger.handlers = logging.getLogger("prefork").handlers[:]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    if errors.level == logging.NOTSET:
        errors.setLevel(logging.WARNING)
    errors.addFilter(_with_peer)


def _with_peer(record: logging.LogRecord) -> bool:
    """Name the session in a record of uvicorn's; an exception of the app's is counted.

    For uvicorn a request that is cancelled is one that failed.
    """
    session = current()
    if session is not None:
        peer = str(session.peer).replace("%", "%%" if record.args else "%")  # fe80::1%eth0
        if session.is_late and record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
            record.msg = "a request was cancelled by the drain's deadline"
        record.msg = f"session with {peer}: {str(record.msg).strip()}"
        if record.exc_info:
            session.count_failure()
    return True
