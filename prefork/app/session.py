"""What a user writes, and what it talks to: a Session, and the Conn that it lives on.

Theory. A session is an ordinary object; the loop sets `conn` on it and calls its methods, one at a time, never two at
once. An exception in any of them ends this session alone. Everything sent during one callback leaves in one piece.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.framing import Framer

T = TypeVar("T")


class Address(NamedTuple):
    """One end of a connection; as text `127.0.0.1:80`, `[::1]:80` or `unix:/run/x.sock`."""

    host: str
    """Of a Unix socket its path, empty for an unnamed one."""
    port: int | None
    """None: a Unix socket."""

    def __str__(self) -> str:
        if self.port is None:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """The call will not be made; nothing if it was made already."""


class Conn(ABC):
    """A connection, seen from its session. For the loop's own thread."""

    __slots__ = ()

    @abstractmethod
    def send(self, data: bytes | bytearray | memoryview, /) -> None:
        """Queue `data` behind what was sent before, past the framer. Does nothing once `is_closing`."""

    @abstractmethod
    def send_item(self, item: Any, /) -> None:  # noqa: ANN401 - Session.send has the type; a Conn knows no T
        """Encode `item` with the session's framer and queue it: what `Session.send` does."""

    @abstractmethod
    def close(self) -> None:
        """End the session when everything sent has left; nothing is received any more."""

    @abstractmethod
    def abort(self) -> None:
        """End the session now; what has not left is dropped and the peer sees a reset."""

    @abstractmethod
    def call_later(self, seconds: float, fn: Callable[..., object], /, *args: Any) -> Timer:  # noqa: ANN401
        """Call `fn(*args)` after `seconds`, unless it is cancelled or the session ends before."""

    @property
    @abstractmethod
    def is_closing(self) -> bool:
        """Whether the session has ended or was told to."""

    @property
    @abstractmethod
    def is_draining(self) -> bool:
        """Whether this worker has been told to finish its sessions."""

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


class Session(Generic[T]):
    """One connection's code: subclass it, name a framer, write the callbacks that matter.

    T is the type of an item, as the framer makes it. No callback must call `super()`, nor must `__init__`.
    """

    conn: Conn
    """Set before `opened`; not there yet in `__init__`."""
    framer: Framer[T] | type[Framer[T]]
    """`Lines`, or `Lines(limit=1024)`."""

    def opened(self) -> None:
        """The connection is there, nothing was read."""

    def received(self, item: T, /) -> None:
        """The peer sent `item`. Not called any more after `close`."""

    def flushed(self) -> None:
        """Everything sent so far has left for the kernel."""

    def eof(self) -> None:
        """The peer sends no more, but may still read. A frame that was cut short is dropped. By default: `close`."""
        self.close()

    def draining(self, seconds_left: float, /) -> None:
        """This worker is to end in `seconds_left`, and this session isn't idle: finish soon.

        The rule. A session is *idle* when all of this holds: the peer's bytes end between two frames, everything sent
        has left, no `call_later` is pending, and it has received something or is older than 0.1 s (a request just
        sent may still be on its way). From the moment that the worker drains, a session that is idle is closed at
        once, without this call; any other is told here, once, and closed as soon as it becomes idle. What the kernel
        holds at that moment is read first. Who isn't idle by the deadline is aborted, and `closed` gets a
        `DrainTimeoutError`.
        """

    def closed(self, exc: BaseException | None, /) -> None:
        """The session is over; called exactly once, as the last callback, if the session was made.

        `exc` is what ended it: an exception of a callback, FramingError, the OSError of a lost connection,
        DrainTimeoutError; None after `close`, `abort` and the peer's orderly end.
        """

    def send(self, item: T, /) -> None:
        """Queue `item` for the peer. Does nothing once the session is closing. Raises what the framer's encode does."""
        self.conn.send_item(item)

    def close(self) -> None:
        """End the session when everything sent has left."""
        self.conn.close()


class DrainTimeoutError(TimeoutError):
    """The worker's drain reached its deadline before the session was idle."""
