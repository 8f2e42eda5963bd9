"""The AsyncConn of a session whose loop knows callbacks alone: who waits for what, and who is woken.

Theory. The link is paused but while somebody waits for an item: nothing is decoded ahead, so that a new framer holds
from the next item on, and a session is idle exactly when its coroutine asks for more and there is nothing. A coroutine
that is woken by `received` and waits for the next item when that returns pauses nothing.
"""

from __future__ import annotations

from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any, Final, NoReturn

from prefork.app.async_conn import T
from prefork.app.conn_view import ConnView
from prefork.app.framing import Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from prefork.app.framing import Framer
    from prefork.app.session import Conn, R
    from prefork.app.waits import Driver, Wait

    Outcome = tuple[Any, Exception | None]

NOTHING: Final = object()
"""Stands where no item is."""
_REFUSALS: Final = 1_000
"""So often what an ended session is asked for is refused politely: then whoever asks in a loop is ended as well."""


class CoroutineConn(ConnView[T]):
    """One session's. `conn` is its link; `high`: bytes sent in one go after which a turn is awaited."""

    __slots__ = (
        "_driver",
        "_framer",
        "_high",
        "_paused",
        "_reading",
        "_refused",
        "_waits",
        "ended",
        "full",
        "gone",
        "item",
        "over",
        "reader",
        "refusal",
        "sent",
        "why",
    )

    def __init__(self, conn: Conn, framer: Framer[Any], driver: Driver, high: int) -> None:
        super().__init__(conn)
        self._driver = driver
        self._framer = framer
        self._high = high
        self._paused = False
        self._reading = driver.new_wait(self._forget)
        """The wait for an item, used again and again."""
        self._refused = 0
        self._waits: dict[Wait, bool] = {}
        """Who waits for something else; True: for room to send."""
        self.reader: Wait | None = None
        """Who waits for an item."""
        self.item: T | object = NOTHING
        self.ended = False
        """There is no more input."""
        self.full = False
        """Too much waits for the peer."""
        self.sent = 0
        """Bytes sent since the last turn that is known of."""
        self.over = False
        """The session is."""
        self.why: BaseException | None = None
        """What ended it."""
        self.gone: BaseException | None = None
        """What is raised since then: `why`, or a word for an orderly end."""
        self.refusal: BaseException | None = None
        """What was last raised because there is no more input."""

    # -- for the session and its driver --------------------------------------------------------------------------------

    def wake(self, wait: Wait) -> None:
        """Run who waits; then see where the coroutine is."""
        wait.wake()
        if self.reader is None:
            self.look()

    def look(self) -> None:
        """Whoever doesn't wait for an item gets none; a coroutine that has ended closes. Raises its error."""
        driver = self._driver
        if driver.done:
            error, driver.error = driver.error, None
            if error is not None:
                raise error
            self._conn.close()
        else:
            self._pause()

    def _pause(self) -> None:
        if not self._paused and not self.over:
            self._paused = True
            self._conn.pause_reading()

    def end_input(self) -> None:
        """There is no more."""
        self.ended = True
        reader, self.reader = self.reader, None
        if reader is not None:
            self.wake(reader)

    def make_room(self) -> None:
        """Less waits for the peer."""
        self.full = False
        for wait in [wait for wait, for_room in self._waits.items() if for_room]:
            self._due(wait)

    def end(self, why: BaseException | None) -> None:
        """The session is over: wake all. Raises what the coroutine makes of it, where it is driven by hand."""
        self.ended = self.over = True
        self.why = why
        driver = self._driver
        reader, self.reader = self.reader, None
        woken = [*self._waits] if reader is None else [reader, *self._waits]
        self._waits.clear()
        interrupted = any(wait.is_of(driver) for wait in woken)  # asked before any of them runs
        for wait in woken:
            wait.wake()
        driver.end(interrupted=interrupted)

    # -- waiting -------------------------------------------------------------------------------------------------------

    @coroutine
    def _next(self, end: type[Exception]) -> Generator[Any, None, T]:
        """Return the next item. Raises `end` where there is none, or what has ended the session."""
        if self.ended:
            self._at_end(end)
        if self.reader is not None:
            raise RuntimeError("receive: another task waits for the next item already")
        if self._paused:
            self._paused = False
            self._conn.resume_reading()
        self.reader = wait = self._reading
        yield wait
        item: Any = self.item
        if item is NOTHING:
            self._at_end(end)
        self.item = NOTHING
        return item  # type: ignore[no-any-return]

    async def _pend(self, wait: Wait, *, for_room: bool = False) -> None:
        """Wait until `_due(wait)`. Raises what has ended the session meanwhile."""
        self._waits[wait] = for_room
        await wait
        if self.over:
            self._refuse()

    def _due(self, wait: Wait) -> None:
        """What `wait` waits for is there."""
        if self._waits.pop(wait, None) is not None:
            self.wake(wait)

    def _forget(self, wait: Wait) -> None:
        """Who waited is cancelled."""
        self._waits.pop(wait, None)
        if wait is self.reader:
            self.reader = None
            self._pause()

    async def _room(self) -> None:
        """Wait until the link has flushed what was sent, and the peer has read enough of it."""
        while not self.over and (self.full or self.sent > self._high):
            self.sent = 0
            wait = self._driver.new_wait(self._forget)
            if not self.full:
                self._conn.call_later(0, self._due, wait)
            await self._pend(wait, for_room=self.full)

    def _at_end(self, end: type[Exception]) -> NoReturn:
        """Raise `end`, unless the session has ended in a disorderly way."""
        self._count_refusal()
        if self.why is not None:
            self._refuse()
        self.refusal = end("the peer sends no more")
        raise self.refusal

    def _refuse(self) -> NoReturn:
        if self.gone is None:
            self.gone = self.why or ConnectionAbortedError("the session is over")
        raise self.gone

    def _count_refusal(self) -> None:
        self._refused += 1
        if self._refused > _REFUSALS:
            self.refusal = GeneratorExit("asked again and again for what is over")
            raise self.refusal

    def _require(self) -> None:
        """Raise what has ended the session, if it has ended."""
        if self.over:
            self._count_refusal()
            self._refuse()

    # -- AsyncConn: input ----------------------------------------------------------------------------------------------

    async def receive(self) -> T:
        """The next item."""
        return await self._next(EOFError)

    def __anext__(self) -> Awaitable[T]:
        """The next item."""
        return self._next(StopAsyncIteration)

    async def read(self, most: int = 65_536, /) -> bytes:
        """Bytes as they come."""
        before = self._framer
        past = type(before) is not Stream or before.limit > most
        if past:
            self._conn.set_framer(Stream(most))
        try:
            item: Any = await self._next(EOFError)
        except EOFError:
            return b""
        finally:
            if past:
                self._conn.set_framer(before)
        return item  # type: ignore[no-any-return]

    def set_framer(self, framer: Framer[Any] | type[Framer[Any]], /) -> None:
        """Speak `framer` from the next item on."""
        made = framer() if isinstance(framer, type) else framer
        self._conn.set_framer(made)
        self._framer = made

    # -- AsyncConn: output ---------------------------------------------------------------------------------------------

    async def send(self, item: T, /) -> None:
        """Queue `item`."""
        if self.full or self.sent > self._high:
            await self._room()
        if self.over:
            self._not_sent()
        self.sent += self._conn.send_item(item)

    async def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Queue bytes."""
        if self.full or self.sent > self._high:
            await self._room()
        if self.over:
            self._not_sent()
        self._conn.send(data)
        self.sent += memoryview(data).nbytes

    def _not_sent(self) -> None:
        """After an orderly end nothing is sent, and that is no error."""
        self._count_refusal()
        if self.why is not None:
            self._refuse()

    # -- AsyncConn: waiting --------------------------------------------------------------------------------------------

    async def sleep(self, seconds: float, /) -> None:
        """Wait."""
        self._require()
        wait = self._driver.new_wait(self._forget)
        timer = self._conn.call_later(seconds, self._due, wait)
        try:
            await self._pend(wait)
        finally:
            timer.cancel()

    async def offload(self, fn: Callable[[], R], /) -> R:
        """The result of `fn()`."""
        self._require()
        wait = self._driver.new_wait(self._forget)
        came: list[Outcome] = []
        self._conn.offload(partial(_outcome, fn), partial(self._came, wait, came))
        await self._pend(wait)
        result, error = came.pop()
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _came(self, wait: Wait, came: list[Outcome], outcome: Outcome) -> None:
        came.append(outcome)
        self._due(wait)

    # -- AsyncConn: end ------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """End when all is sent."""
        if not self.over:
            self._conn.close()
            wait = self._driver.new_wait(self._forget)
            self._waits[wait] = False
            await wait
        if self.why is not None:
            self._refuse()


def _outcome(fn: Callable[[], Any]) -> Outcome:
    """In a thread: an exception is for who awaits it."""
    try:
        return fn(), None
    except Exception as error:  # noqa: BLE001 - the user's code
        return None, error
