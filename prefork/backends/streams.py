"""The style `streams`: `async def handle(reader, writer)`, as for `asyncio.start_server`, natively on asyncio's loops.

Theory. The session is the handler's task: when it returns, the connection is closed behind what was written. At a drain
a handler that waits for its peer's next words, none of which are on the way, reads the end of input instead, as if the
peer had ended: every handler knows that. One that is busy gets there when it waits next. At the deadline it is
cancelled, and when its `finally` blocks are through, the connection is cut.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from prefork.backends.host import LEAVING
from prefork.backends.transports import FRESH_S, Carried

if TYPE_CHECKING:
    import socket

    from prefork.backends.carrying import Carrier

_log = logging.getLogger("prefork.session")
_LOSSES = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""By which a lost connection is told; by no other ConnectionError."""


class Reader(asyncio.StreamReader):
    """A reader that tells when its handler begins to wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.draining: StreamSession | None = None
        """Whom to tell."""

    @property
    def rests(self) -> bool:
        """The handler waits, with nothing of a message in hand."""
        waiter = self._waiter  # type: ignore[attr-defined]
        return waiter is not None and not waiter.done() and not self._buffer  # type: ignore[attr-defined]

    async def _wait_for_data(self, func_name: str) -> None:
        """What every method that reads comes to."""
        if self.draining is not None:
            self.draining.look_soon(0)
        await super()._wait_for_data(func_name)  # type: ignore[misc]


class StreamSession(Carried):
    """One connection and its handler."""

    __slots__ = ("_reader", "_task")

    def __init__(self, carrier: Carrier, connection: socket.SocketType, peer: object, listener: object) -> None:
        super().__init__(carrier, connection, peer, listener)
        self._reader: Reader | None = None
        self._task: asyncio.Task[Any] | None = None

    def make(self) -> asyncio.BaseProtocol:
        """As `asyncio.start_server` does."""
        loop = asyncio.get_running_loop()
        self._reader = reader = Reader(loop)
        return asyncio.StreamReaderProtocol(reader, self._serve, loop=loop)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """The handler's."""
        return [] if self._task is None else [self._task]

    def finish(self) -> None:
        """Let the handler come to its end."""
        if self._reader is not None:
            self._reader.draining = self
            self._look()

    def look_soon(self, seconds: float) -> None:
        """See then whether the handler rests."""
        asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        reader, transport = self._reader, self.transport
        if reader is None or not self.is_open or not reader.rests or transport.is_closing():
            return
        if self.more_waits():
            self.look_soon(FRESH_S)
        else:
            transport.pause_reading()
            reader.feed_eof()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._task = asyncio.current_task()
        try:
            await self.carrier.app.handler(reader, writer)
        except asyncio.CancelledError:
            if not self._late:
                raise
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code
            self._ended_by(error, reader)
        finally:
            self._task = self._reader = None
            writer.transport.abort() if self._late else writer.close()

    def _ended_by(self, error: BaseException, reader: asyncio.StreamReader) -> None:
        """Tell what the handler raised; that its peer went away, or cut a message short, is no fault of the handler."""
        why = reader.exception()
        lost = why is not None or self.made._connection_lost  # type: ignore[union-attr] # noqa: SLF001
        told = error.__context__ if isinstance(error, RuntimeError) else error
        if lost and (told is why or isinstance(told, _LOSSES)):
            return  # a RuntimeError: by which uvloop refuses a last word in a `finally`, say
        if isinstance(error, asyncio.IncompleteReadError):
            _log.warning("session with %s ended: %s", self.peer, error)
        else:
            self.tell(error)
