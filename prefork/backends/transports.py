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
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from prefork.app.session import DrainTimeoutError
from prefork.backends.host import LEAVING
from prefork.backends.link import FRESH_NS, brief
from prefork.backends.preface import address
from prefork.backends.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from prefork.app.app import App
    from prefork.app.session import Address
    from prefork.backends.host import Host
    from prefork.backends.tether import Tether

_log = logging.getLogger("prefork.session")

FRESH_S: Final = FRESH_NS / 1e9
_LOOKS: Final = 10
_PATIENCE_S: Final = 0.25
"""For the tasks of a session that were cancelled at the deadline: the master kills 0.6 s after it."""
LATE: Final = "the worker's drain_timeout is over, and the session was not"
_SESSION: ContextVar[Carried] = ContextVar("prefork_session")


class Carrier(Protocol):
    """Who holds a session, and what a session says to it."""

    @property
    def app(self) -> App:
        """What is served."""

    def failed(self) -> None:
        """Code of the user's raised."""

    def over(self, session: Carried, /) -> None:
        """Nothing of the session is left."""


class CarryingTurns(Turns):
    """Turns that accept, beat and obey; connections are carried by the loop that they are part of."""

    def __init__(
        self, host: Host, tether: Tether, listeners: Sequence[socket.socket], kind: Callable[..., Carried]
    ) -> None:
        """`kind`: makes who is held, of what `welcome` is given and these turns."""
        super().__init__(host, tether, listeners)
        self.tether = tether
        self._kind = kind

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> Carried:
        """Have the connection carried."""
        return self._kind(self, connection, peer, listener)

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        """There are no links in this epoll."""
        for fd, _ in events:
            if fd in self._others:
                self._serve_others(events)
                break

    @property
    def app(self) -> App:
        """The worker's."""
        return self.host.app

    def failed(self) -> None:
        """Count it."""
        self.tether.session_failed()

    def over(self, session: Carried, /) -> None:
        """Give its place back, in the next turn, which knows what follows of it."""
        self.host.dirty.append(_Ending(self, session))

    def release(self, session: Carried) -> None:
        """Its place is free."""
        if session in self.door.held:
            self.door.held.remove(session)
            self.tether.session_closed()


class _Ending(NamedTuple):
    """What is left to do of a session."""

    turns: CarryingTurns
    session: Carried

    def flush(self) -> None:
        """Do it."""
        self.turns.release(self.session)


class Carried(ABC):
    """One session, as the door holds it. Over when its socket is closed and none of its tasks runs."""

    __slots__ = (
        "_connecting",
        "_draining",
        "_late",
        "_left",
        "_socket",
        "_why",
        "born_at",
        "carrier",
        "peer",
        "transport",
    )

    def __init__(self, carrier: Carrier, connection: socket.SocketType, peer: object, _listener: object) -> None:
        """Names as socket's."""
        self.carrier = carrier
        self._socket: EndingSocket | None = EndingSocket(connection, self._unplugged)
        self._connecting: asyncio.Task[None] | None = None
        self._draining = self._late = self._left = False
        """The worker drains; its deadline is over; what still runs is waited for no more."""
        self._why: BaseException | None = None
        self.born_at = 0
        """Monotonic ns."""
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

    def expire(self) -> None:
        """The drain's deadline is reached: its tasks are cancelled, and then the connection is cut."""
        self._late = True
        tasks = self.tasks()
        for task in tasks:
            task.cancel(LATE)
        if tasks:
            asyncio.get_running_loop().call_later(_PATIENCE_S, self._leave)
        self._after_tasks(self._cut)

    # -- its life ------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        _SESSION.set(self)
        assert self._socket is not None
        try:
            self.transport, _ = await asyncio.get_running_loop().connect_accepted_socket(self.make, self._socket)
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code
            self._close()
            self.failed(error)
        else:
            if self._why is not None:
                self.end(self._why)
            elif self._late:
                self._cut()
            elif self._draining:
                self._ask()
        finally:
            self._connecting = None

    @property
    def is_open(self) -> bool:
        """Connected, and not over."""
        return self.transport is not None and self._socket is not None

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
    if (transport := context.get("transport")) is not None:
        for each in held:
            if isinstance(each, Carried) and each.transport is transport:
                return each
    own = getattr(context.get("handle"), "_context", None)  # of asyncio's before Python 3.12, which then aren't entered
    return current() if own is None else own.get(_SESSION)
