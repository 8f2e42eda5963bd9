"""What a coroutine talks to: an AsyncConn, the connection of `async def handle(conn)`.

Theory. The same coroutine runs on every loop, because all that it awaits is its own connection's: what it waits for is
told by the session's callbacks (`coroutine`), which every loop makes. Where an asyncio loop runs it is an asyncio task,
and may await whatever asyncio can.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prefork.app.framing import Framer
    from prefork.app.session import Address, Hold, R, Timer
    from prefork.app.worker import Server, Worker

T = TypeVar("T")


class AsyncConn(ABC, Generic[T]):
    """A connection, seen from its coroutine; T is the type of an item, as the framer makes it.

    The coroutine's return closes it when everything sent has left; its exception ends the session and is logged. For
    the coroutine itself and, on asyncio, its tasks: other sessions use `send_nowait` and `abort` alone.

    Who awaits when the session ends gets what ended it: the OSError of a lost connection, DrainTimeoutError,
    FramingError, WriteLimitError. After an orderly end (the peer's, `close`, a drain that found it idle) there is no
    more input, sending does nothing, and any other await raises ConnectionAbortedError.
    """

    __slots__ = ()

    # -- input ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def receive(self) -> T:
        """The next item. Raises EOFError at the end of input; a frame that is cut short there is dropped.

        Until it is asked for, nothing is received: the peer is held up by TCP.
        """

    def __aiter__(self) -> Self:
        """Item after item, until the end of input."""
        return self

    @abstractmethod
    def __anext__(self) -> Awaitable[T]:
        """The next item; ends the loop at the end of input."""

    @abstractmethod
    async def read(self, most: int = 65_536, /) -> bytes:
        """Bytes as they come, past the framer: at least one, at most `most`; empty at the end of input.

        A framer whose two directions share state (H11) begins anew afterwards. Raises ValueError unless `most` is 1 or
        more.
        """

    @abstractmethod
    def set_framer(self, framer: Framer[Any] | type[Framer[Any]], /) -> None:
        """Speak another protocol from the next item on, in both directions. Raises TypeError for what is no framer."""

    # -- output --------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def send(self, item: T, /) -> None:
        """Queue `item` for the peer; waits first while too much waits for a peer that reads slowly.

        Raises what the framer's encode does.
        """

    @abstractmethod
    async def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Queue bytes for the peer, past the framer; waits as `send` does."""

    @abstractmethod
    def send_nowait(self, item: T, /) -> None:
        """Queue `item` without waiting: for other sessions, from any thread. Who doesn't read is ended by `hard`."""

    @abstractmethod
    def send_eof(self) -> None:
        """Let the peer read end of input when everything sent has left; receiving goes on."""

    # -- waiting -------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def sleep(self, seconds: float, /) -> None:
        """Wait. A drain waits as well, until its deadline."""

    @abstractmethod
    async def offload(self, fn: Callable[[], R], /) -> R:
        """The result of `fn()`, which runs in a thread of this worker. Raises what it raises.

        When the session ends before, the result is dropped, for a thread can't be cancelled.
        """

    @abstractmethod
    def call_later(self, seconds: float, fn: Callable[..., object], /, *args: Any) -> Timer:  # noqa: ANN401
        """Call `fn(*args)` after `seconds`, unless it is cancelled or the session ends before."""

    @abstractmethod
    def hold(self) -> Hold:
        """Until `release` a drain waits for this session, even while its coroutine waits for the next item."""

    # -- end -----------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def close(self) -> None:
        """End the session when everything sent has left, and wait for that. Raises what ended it otherwise."""

    @abstractmethod
    def abort(self) -> None:
        """End the session now; what has not left is dropped and the peer sees a reset."""

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def is_closing(self) -> bool:
        """Whether the session has ended or was told to."""

    @property
    @abstractmethod
    def is_draining(self) -> bool:
        """Whether this worker has been told to finish its sessions: then finish soon."""

    @property
    @abstractmethod
    def peer(self) -> Address:
        """The other end."""

    @property
    @abstractmethod
    def local(self) -> Address:
        """This end; after the session's end, the listener's."""

    @property
    @abstractmethod
    def listener(self) -> Address:
        """The listener that took the connection: tells two ports of one app apart."""

    @property
    @abstractmethod
    def worker(self) -> Worker:
        """The worker process that this session lives in."""

    @property
    @abstractmethod
    def server(self) -> Server:
        """The pool."""
