"""The style `streams` where each session has a thread: bridged, by an asyncio loop of its own in that thread.

Theory. What a seat is to a Session, this is to a stream handler: the serving loop accepts, beats and obeys, a thread
runs the session, and what one has to say to the other is posted. The loop is made before the accept, so that who is out
of descriptors accepts nobody, and closed with all that ran in it before the place is given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import selectors
import socket
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from prefork.backends.crew import CrewTurns, leave
from prefork.backends.streams import StreamSession
from prefork.backends.tasks import stands
from prefork.backends.transports import exception_handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.app.app import App
    from prefork.backends.crew import Crew
    from prefork.backends.host import Host
    from prefork.backends.preface import Accepted
    from prefork.backends.tether import Tether
    from prefork.backends.transports import Carried
    from prefork.tls import ServerTls

_log = logging.getLogger("prefork.worker")


class LoopDesk:
    """A thread for one session at a time, and the loop of who sits there next."""

    def __init__(self, crew: Crew) -> None:
        """Raises OSError when there is nobody to sit here."""
        crew.hire()
        self._loop: asyncio.AbstractEventLoop | None = None

    def furnish(self) -> None:
        """Have a loop ready. Raises OSError when no descriptor is free."""
        if self._loop is None:
            selector = selectors.EpollSelector()
            try:
                for each in socket.socketpair():  # as the loop opens: one that can't would be left half made
                    each.close()
                self._loop = asyncio.SelectorEventLoop(selector)
            except OSError:
                selector.close()
                raise

    def take_loop(self) -> asyncio.AbstractEventLoop:
        """The loop, for one session."""
        loop, self._loop = self._loop, None
        assert loop is not None
        return loop


class StreamTurns(CrewTurns):
    """The serving loop: sessions get a thread and a loop instead of a place in its epoll."""

    def __init__(self, host: Host, tether: Tether, listeners: Sequence[socket.socket], crew: Crew) -> None:
        super().__init__(host, tether, listeners, crew)
        self.loops: list[LoopDesk] = []
        """Those that are free."""

    def accept(self, listener: socket.socket, family: int, /) -> Accepted:
        """Take a connection, if there are a thread and a loop for it."""
        if not self.loops:
            self.loops.append(LoopDesk(self.crew))
        self.loops[-1].furnish()
        return super().accept(listener, family)

    def stop(self) -> None:
        """Tell of each session that is left behind where it stands."""
        super().stop()
        for each in self.door.held:
            assert isinstance(each, StreamSeat)
            each.tell_stuck()

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> StreamSeat:
        """A seat for the connection."""
        return StreamSeat(self, connection, peer, listener)


class StreamSeat:
    """One session's. `open`, `drain` and `expire` are called by the serving loop; it is the carrier of its session."""

    def __init__(self, turns: StreamTurns, connection: socket.SocketType, peer: object, listener: object) -> None:
        self._turns = turns
        self._desk = turns.loops.pop()
        self._loop = self._desk.take_loop()
        self._done = self._loop.create_future()
        self._left: set[asyncio.Task[Any]] = set()
        """Tasks that the handler left behind, and that are cancelled with its session."""
        self._session = StreamSession(self, connection, peer, listener)

    # -- for the serving loop ------------------------------------------------------------------------------------------

    def open(self, _now: int, /) -> None:
        """Give the session to a thread, when this turn is over."""
        self._turns.fresh.append(self._live)

    def drain(self, now: int, seconds_left: float, /) -> None:
        """Tell the session that the worker drains."""
        self._post(self._session.drain, now, seconds_left)

    def expire(self) -> None:
        """Tell the session that the drain's deadline is reached."""
        self._post(self._session.expire)

    def tell_stuck(self) -> None:
        """Tell what doesn't end though it was cancelled."""
        for task in [*self._session.tasks(), *self._left]:
            if not task.done():
                where = f"{task.get_name()}, which is at {stands(task)}"
                _log.error("session with %s: a task does not end when cancelled: %s", self._session.peer, where)

    def _post(self, fn: Any, *args: Any) -> None:  # noqa: ANN401 - any call
        with contextlib.suppress(RuntimeError):  # its loop is closed: it is over, which we have not read yet
            self._loop.call_soon_threadsafe(fn, *args)

    def _over(self) -> None:
        """The thread has left: it is posted last."""
        self._turns.door.held.discard(self)
        self._turns.loops.append(self._desk)
        self._turns.tether.session_closed()

    # -- in the session's thread ---------------------------------------------------------------------------------------

    def _live(self) -> None:
        """Serve the session to its end."""
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.set_exception_handler(partial(exception_handler, leave, (self._session,)))
            loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - SystemExit, say: it ends the worker
            self._turns.host.post(leave, error)
        else:
            loop.close()
            self._turns.host.post(self._over)
        finally:
            asyncio.set_event_loop(None)

    async def _serve(self) -> None:
        self._session.open(time.monotonic_ns())
        await self._done
        self._left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        for task in self._left:
            task.cancel()
        if self._left:
            await asyncio.wait(self._left, timeout=self._turns.tether.moment_left)
            self.tell_stuck()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    # -- as a carrier --------------------------------------------------------------------------------------------------

    @property
    def app(self) -> App:
        """The worker's."""
        return self._turns.host.app

    @property
    def leaves_after(self) -> float:
        """The serving loop leaves behind the thread and all that runs in it."""
        return inf

    def tls_of(self, listener: object, /) -> ServerTls | None:
        """The worker's."""
        return self._turns.host.tls_of(listener)

    def turned_away(self) -> None:
        """Have it counted."""
        self._turns.host.post(self._turns.tether.connection_refused)

    def failed(self) -> None:
        """Have it counted."""
        self._turns.host.post(self._turns.tether.session_failed)

    def over(self, _session: Carried, /) -> None:
        """Leave."""
        if not self._done.done():
            self._done.set_result(None)
