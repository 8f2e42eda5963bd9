"""Sessions that asyncio's own transports carry: from the accepted socket to its end. For asyncio's loop and uvloop.

Theory. An accepted socket is given to the loop (`connect_accepted_socket`), and from then on the loop alone moves its
bytes: there is no code of ours between a transport and its protocol, and `start_tls`, `set_protocol` and the like work
as everywhere. What we must learn is the end, and that is told by the socket, which a loop lets go of (by `close`;
uvloop by `detach`) when `connection_lost` has returned or raised, whatever the protocol was by then.

Each session has a context (`contextvars`) of its own, that all it asks the loop for inherits. So an exception which
reaches the loop's exception handler, out of a callback, say, is known for whose it is: it ends that session, and is
logged once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from prefork.app.session import DrainTimeoutError
from prefork.backends.host import LEAVING
from prefork.backends.link import FRESH_NS, RESET, brief
from prefork.backends.preface import address
from prefork.tls_context import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from prefork.app.session import Address
    from prefork.backends.carrying import Carrier
    from prefork.tls import ServerTls

_log = logging.getLogger("prefork.session")

FRESH_S: Final = FRESH_NS / 1e9
_LOOKS: Final = 10
_FAREWELL_S: Final = 0.5
"""So long a transport waits for its peer's close_notify behind its own; asyncio's 30 s would hold up a drain."""
_SEGMENTS_IN: Final = 152
LATE: Final = "the worker's drain_timeout is over, and the session was not"
_SESSION: ContextVar[Carried] = ContextVar("prefork_session")


class Carried(ABC):
    """One session, as the door holds it. Over when its socket is closed and none of its tasks runs."""

    __slots__ = (
        "_connecting",
        "_draining",
        "_late",
        "_left",
        "_listener",
        "_socket",
        "_why",
        "born_at",
        "carrier",
        "made",
        "peer",
        "transport",
    )

    def __init__(self, carrier: Carrier, connection: socket.SocketType, peer: object, listener: object) -> None:
        """Names as socket's."""
        self.carrier = carrier
        self._listener = listener
        self._socket: EndingSocket | None = EndingSocket(connection, self._unplugged)
        self._connecting: asyncio.Task[None] | None = None
        self._draining = self._late = self._left = False
        """The worker drains; its deadline is over; what still runs is waited for no more."""
        self._why: BaseException | None = None
        self.born_at = 0
        """Monotonic ns."""
        self.made: asyncio.BaseProtocol | None = None
        """The protocol that it began with."""
        self.peer: Address = address(peer)
        self.transport: Any = None
        """An asyncio.Transport, while there is one: as the protocol got it, or what carries it after `start_tls`."""

    # -- what a style brings -------------------------------------------------------------------------------------------

    @abstractmethod
    def make(self) -> asyncio.BaseProtocol:
        """The protocol of this connection; called once."""

    @abstractmethod
    def finish(self) -> None:
        """The worker drains, and the connection is there: come to an end soon."""

    def tasks(self) -> list[asyncio.Task[Any]]:
        """What runs for it."""
        return []

    # -- for the door --------------------------------------------------------------------------------------------------

    def open(self, now: int, /) -> None:
        """Give the connection to the loop."""
        self.born_at = now
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def drain(self, _now: int, _seconds_left: float, /) -> None:
        """The worker drains."""
        self._draining = True
        if self.transport is not None:
            self._ask()
        else:
            asyncio.get_running_loop().call_later(self.fresh_s, self._hurry)

    def expire(self) -> None:
        """The drain's deadline is reached: its tasks are cancelled, and then the connection is cut.

        However it is closed from now on the peer sees a reset, or a part of an answer would look whole.
        """
        self._late = True
        if self.is_open:
            self._reset()
        tasks = self.tasks()
        for task in tasks:
            task.cancel(LATE)
        if tasks:
            asyncio.get_running_loop().call_later(self.carrier.leaves_after, self._leave)
        self._after_tasks(self._cut)

    # -- its life ------------------------------------------------------------------------------------------------------

    def _turn_away(self, error: BaseException) -> None:
        """The handshake of TLS failed: there is no session. A peer that just goes is no line in the log."""
        self.carrier.turned_away()
        if not isinstance(error, ConnectionResetError):
            why = reason(error) if isinstance(error, OSError) else "the worker drains"
            _log.info("no session with %s: TLS handshake: %s", self.peer, why)

    def _hurry(self) -> None:
        """A drain doesn't wait for a handshake that the peer has not begun."""
        if self._connecting is not None and not self._has_spoken():
            self._connecting.cancel()

    def _has_spoken(self) -> bool:
        """Source: tcpi_data_segs_in of struct tcp_info, Linux 4.6 and later."""
        if self._socket is None or self._socket.family == socket.AF_UNIX:
            return False
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SEGMENTS_IN + 4)
        return any(info[_SEGMENTS_IN:])

    def _make(self) -> asyncio.BaseProtocol:
        self.made = made = self.make()
        return made

    async def _connect(self) -> None:
        _SESSION.set(self)
        assert self._socket is not None
        tls = self.carrier.tls_of(self._listener)
        try:
            made = asyncio.get_running_loop().connect_accepted_socket(self._make, self._socket, **_spoken(tls))
            self.transport, _ = await made
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code, or the peer's handshake
            if tls is not None and self.made is not None and isinstance(error, (OSError, asyncio.CancelledError)):
                self._turn_away(error)
            else:
                self.failed(error)
            self._close()
        else:
            if tls is not None:  # its first request may come now
                self.born_at = time.monotonic_ns()
            self._connected()
        finally:
            self._connecting = None

    def _connected(self) -> None:
        """What has been asked for meanwhile."""
        if self._why is not None:
            self.end(self._why)
        elif self._late:
            self._reset()
            self._cut()
        elif self._draining:
            self._ask()

    @property
    def is_open(self) -> bool:
        """Connected, and not over."""
        return self.transport is not None and self._socket is not None

    @property
    def is_late(self) -> bool:
        """The drain's deadline is over."""
        return self._late

    def count_failure(self) -> None:
        """Code of the user's raised, which was told."""
        self.carrier.failed()

    def tell(self, error: BaseException) -> None:
        """Code of the user's raised: say so, once."""
        self.count_failure()
        _log.error("session with %s ended by %s", self.peer, brief(error), exc_info=error)

    def failed(self, error: BaseException) -> None:
        """Code of the user's raised: the session ends."""
        self.tell(error)
        self.end(error)

    def end(self, why: BaseException | None) -> None:
        """Cut the connection; `connection_lost` gets `why`."""
        transport = self.transport
        if transport is None:  # `connection_made` raised, and the loop has not given it to us yet
            self._why = why
            return
        force = getattr(transport, "_force_close", None)  # both loops have it; `abort` says no reason
        with contextlib.suppress(AttributeError):  # of one that is gone already
            transport.abort() if force is None else force(why)

    def _unplugged(self) -> None:
        self._socket = None
        self._after_tasks(self._over)

    def _over(self) -> None:
        self.transport = None
        self.carrier.over(self)

    def _after_tasks(self, then: Callable[[], None]) -> None:
        """Call it when nothing runs for the session, or is waited for any more."""
        tasks = [] if self._left else self.tasks()
        if tasks:
            tasks[0].add_done_callback(lambda _: self._after_tasks(then))
        else:
            then()

    def _leave(self) -> None:
        """Its tasks don't end when cancelled: they are left behind, and told with the worker's own."""
        self._left = True
        if self._socket is not None:
            self._cut()
        else:
            self._over()

    def _call(self, fn: Callable[[], object]) -> None:
        try:
            fn()
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code
            self.failed(error)

    def _cut(self) -> None:
        if self.transport is not None:
            self.end(DrainTimeoutError(LATE))
        elif self._connecting is not None:
            self._connecting.cancel()

    def _reset(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _ask(self, looks: int = _LOOKS) -> None:
        """Have it finish, when what is on its way has come; one to which more and more comes waits no longer than that.

        So that nobody closes, as idle, a connection whose request the kernel holds, or that has just been made.
        """
        if looks and self.is_open and (self.fresh_s or self.more_waits()):
            asyncio.get_running_loop().call_later(FRESH_S / _LOOKS, self._ask, looks - 1)
        elif self.is_open:
            self._call(self.finish)

    # -- for a drain ---------------------------------------------------------------------------------------------------

    @property
    def fresh_s(self) -> float:
        """Seconds for which its first request may still be on the way."""
        return max(0.0, (self.born_at + FRESH_NS - time.monotonic_ns()) / 1e9)

    def more_waits(self) -> bool:
        """Whether the kernel holds what the peer sent: then the loop reads it in its next turn."""
        try:
            return self._socket is not None and bool(self._socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False


def _spoken(tls: ServerTls | None) -> dict[str, Any]:
    """What `connect_accepted_socket` is told of TLS."""
    if tls is None:
        return {}
    handshake = tls.handshake_timeout_ns / 1e9
    return {"ssl": tls.context, "ssl_handshake_timeout": handshake, "ssl_shutdown_timeout": _FAREWELL_S}


class EndingSocket(socket.socket):
    """A connection that tells when the loop lets go of it."""

    __slots__ = ("_ended",)

    def __init__(self, connection: socket.SocketType, ended: Callable[[], None]) -> None:
        """`connection` is no more."""
        super().__init__(connection.family, socket.SOCK_STREAM, 0, connection.detach())
        self._ended: Callable[[], None] | None = ended
        self.setblocking(False)

    def close(self) -> None:
        """As asyncio's transports do at their end."""
        super().close()
        self._tell()

    def detach(self) -> int:
        """As uvloop's do, which close the descriptor themselves."""
        fd = super().detach()
        self._tell()
        return fd

    def _tell(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


def exception_handler(
    leave: Callable[[BaseException], None],
    held: Collection[object],
    _loop: asyncio.AbstractEventLoop,
    context: dict[str, Any],
) -> None:
    """What asyncio says that went wrong, and nobody caught: one record with the peer, the end of that session alone.

    `leave`: for what ends the worker, which uvloop takes for an error like any other. `held`: all sessions.
    """
    session, error = _whose(context, held), context.get("exception")
    message = str(context.get("message", "an error"))
    if isinstance(error, LEAVING):
        leave(error)
    elif session is None:
        _log.error("%s%s", message, "" if error is None else f": {brief(error)}", exc_info=error)
    elif error is None or "future" in context or "task" in context:
        about = "" if error is None else f": {brief(error)}"
        _log.error("session with %s: %s%s", session.peer, message, about, exc_info=error)
    else:
        session.failed(error)


def current() -> Carried | None:
    """The session whose code runs."""
    return _SESSION.get(None)


def _whose(context: dict[str, Any], held: Collection[object]) -> Carried | None:
    """The session from whose code it comes; uvloop tells of `data_received` when the context has been left."""
    transport, protocol = context.get("transport"), context.get("protocol")
    if transport is not None:
        for each in held:
            if isinstance(each, Carried) and (each.transport is transport or each.made is protocol):
                return each
    own = getattr(context.get("handle"), "_context", None)  # of asyncio's before Python 3.12, which then aren't entered
    return current() if own is None else own.get(_SESSION)
