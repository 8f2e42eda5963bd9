"""A coroutine as a session: what every loop calls is turned into wake-ups of the coroutine.

Theory. No loop knows of coroutines: it makes a CoroutineSession and keeps its clauses, and with them the coroutine's.
Where an asyncio loop runs in this thread the coroutine is a task of that loop, else it is driven by hand.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any

from prefork.app.coroutine_conn import CoroutineConn
from prefork.app.foreign import ForeignAwaitError
from prefork.app.framing import Stream
from prefork.app.session import Session
from prefork.app.task_driver import TaskDriver, running_loop
from prefork.app.waits import HandDriver
from prefork.errors import BugError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.framing import Framer

_log = logging.getLogger("prefork.session")
_LEAVING = (SystemExit, KeyboardInterrupt)


class CoroutineSession(Session[Any]):
    """One connection of a coroutine function `handler`, whose first framer is `spoken`."""

    framer = Stream

    def __init__(self, handler: Callable[[Any], object], spoken: Framer[Any]) -> None:
        self._handler = handler
        self._spoken = spoken
        self._side: CoroutineConn[Any] | None = None

    # -- as a session --------------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Start the coroutine."""
        loop = running_loop()
        driver = HandDriver() if loop is None else TaskDriver(loop)
        side: CoroutineConn[Any] = CoroutineConn(self.conn, self._spoken, driver, self.write_limits.high)
        coroutine = _called(self._handler, side)
        self._side = side
        driver.start(coroutine, self)
        if side.reader is None:
            side.look()

    def received(self, item: object, /) -> None:
        """Somebody waits for it."""
        side = self._side
        reader = side.reader if side is not None else None
        if side is None or reader is None:
            raise BugError("an item came that nobody waits for")
        side.item = item
        side.sent = 0
        side.reader = None
        reader.wake()
        if side.reader is None:
            side.look()

    def pause_writing(self) -> None:
        """Whoever sends waits."""
        if self._side is not None:
            self._side.full = True

    def resume_writing(self) -> None:
        """Whoever waits sends."""
        if self._side is not None:
            self._side.make_room()

    def eof(self) -> None:
        """There is no more input; the coroutine says when it is through."""
        if self._side is not None:
            self._side.end_input()

    def closed(self, exc: BaseException | None, /) -> None:
        """Whatever the coroutine awaits is over."""
        if self._side is not None:
            try:
                self._side.end(exc)
            except _LEAVING:
                raise
            except BaseException as error:  # noqa: BLE001 - the user's code
                self.ended_late(error)

    # -- as the owner of its coroutine ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The coroutine function's."""
        return _name(self._handler)

    @property
    def place(self) -> str:
        """Its file and line."""
        code = getattr(getattr(self._handler, "func", self._handler), "__code__", None)
        return "an unknown place" if code is None else f"{code.co_filename}:{code.co_firstlineno}"

    def excuses(self, error: BaseException, /) -> bool:
        """Whether it says no more than that the connection is over: an uncaught one is as good as a return."""
        if isinstance(error, BaseExceptionGroup):
            return all(self.excuses(each) for each in error.exceptions)
        side = self._side
        if side is None:
            return False
        return error is side.refusal or error is side.gone or (side.over and type(error).__name__ == "CancelledError")

    def ended(self) -> None:
        """See to it in a callback, where an exception is the session's."""
        if self._side is not None:
            self.conn.call_later(0, self._side.look)

    def ended_late(self, error: BaseException, /) -> None:
        """Log it: it is too late for `closed`."""
        if isinstance(error, _LEAVING):
            raise error
        _log.error(
            "session with %s: at its end the coroutine raised %s: %s",
            self.conn.peer,
            type(error).__name__,
            error,
            exc_info=None if isinstance(error, ForeignAwaitError) else error,
        )


def _called(handler: Callable[[Any], object], side: CoroutineConn[Any]) -> Coroutine[Any, Any, object]:
    """The coroutine. Raises TypeError where the call makes none."""
    made = handler(side)
    if isinstance(made, Coroutine):
        return made
    if isinstance(made, Awaitable):
        return _await(made)
    raise TypeError(f"{_name(handler)} returned {made!r:.60}, not a coroutine")


def _name(handler: object) -> str:
    """The function's, also of a partial."""
    return str(getattr(getattr(handler, "func", handler), "__qualname__", f"{handler!r:.60}"))


async def _await(awaited: Awaitable[object]) -> None:
    await awaited
