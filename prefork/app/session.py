"""What a user writes, and what it talks to: a Session, and the Conn that it lives on.

Theory. A session is an ordinary object; the loop sets `conn` on it and calls its methods, one at a time, never two at
once. An exception in any of them ends this session alone. Everything sent during one callback leaves in one piece.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.framing import Framer
    from prefork.app.worker import Server, Worker

T = TypeVar("T")
R = TypeVar("R")


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


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """How much may wait for a peer that reads slowly, in bytes of its session's output that the kernel refused."""

    high: int = 64 * 1024
    """More than this, and `pause_writing` is called."""
    low: int = 16 * 1024
    """Down to this again, and `resume_writing` is called."""
    hard: int = 16 * 1024 * 1024
    """What is sent while more than this waits ends the session: memory is bounded by it and one callback's output."""

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= self.hard:
            raise ValueError(f"write limits {self.low}, {self.high}, {self.hard}: expected 0 <= low <= high <= hard")


class Tls(NamedTuple):
    """What was agreed on in the handshake of a connection over TLS."""

    version: str
    """`TLSv1.2` or `TLSv1.3`."""
    cipher: str
    """OpenSSL's name of it."""
    alpn: str | None
    """The protocol that both ends speak; None: they named none in common."""
    server_name: str | None
    """The name that the client asked for (SNI)."""
    peer_certificate: dict[str, Any] | None
    """The client's certificate, which was verified, as `ssl.SSLSocket.getpeercert` has it; None: it has none."""
    peer_der: bytes | None
    """The same, whole."""


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """The call will not be made; nothing if it was made already."""


class Hold(Protocol):
    """What `hold` returns."""

    def release(self) -> None:
        """The work is done; a session that drains may be idle by that. From any thread; nothing the second time."""


class Conn(ABC):
    """A connection, seen from its session. For the loop's own thread."""

    __slots__ = ()

    @abstractmethod
    def send(self, data: bytes | bytearray | memoryview, /) -> None:
        """Queue `data` behind what was sent before, past the framer. Does nothing once `is_closing`."""

    @abstractmethod
    def send_item(self, item: Any, /) -> int:  # noqa: ANN401 - Session.send has the type; a Conn knows no T
        """Encode `item` with the session's framer and queue it: what `Session.send` does.

        The bytes that this is; 0 where it is done later, for another thread.
        """

    @abstractmethod
    def close(self) -> None:
        """End the session when everything sent has left; nothing is received any more."""

    @abstractmethod
    def abort(self) -> None:
        """End the session now; what has not left is dropped and the peer sees a reset."""

    @abstractmethod
    def send_eof(self) -> None:
        """Let the peer read end of input (over TLS a close_notify) when everything sent has left; receiving goes on.

        A later send raises RuntimeError. Does nothing once `is_closing`.
        """

    @abstractmethod
    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`: the peer is held up by TCP, and its end is not noticed either."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Receive again, first what was read before the pause."""

    @abstractmethod
    def set_framer(self, framer: Framer[Any] | type[Framer[Any]], /) -> None:
        """Speak another protocol from the next item on, in both directions; bytes read and not yet received go to it.

        Raises TypeError for what is no framer.
        """

    @abstractmethod
    def offload(self, fn: Callable[[], R], then: Callable[[R], object] | None = None, /) -> None:
        """Run `fn()` in a thread of this worker, then `then(result)` on the loop.

        An exception of either ends the session. A drain waits for it; when the session ends before, the result is
        dropped, for a thread can't be cancelled. A worker has as many such threads as cores and four more, 32 at most.
        """

    @abstractmethod
    def hold(self) -> Hold:
        """Until `release` this session isn't idle: for work that a task, a greenlet or another session does for it."""

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

    @property
    @abstractmethod
    def tls(self) -> Tls | None:
        """What was agreed on, where the listener speaks TLS."""

    @property
    @abstractmethod
    def worker(self) -> Worker:
        """The worker process that this session lives in."""

    @property
    @abstractmethod
    def server(self) -> Server:
        """The pool."""


class Session(Generic[T]):
    """One connection's code: subclass it, name a framer, write the callbacks that matter.

    T is the type of an item, as the framer makes it. No callback must call `super()`, nor must `__init__`.
    """

    conn: Conn
    """Set before `opened`; not there yet in `__init__`."""
    framer: Framer[T] | type[Framer[T]]
    """`Lines`, or `Lines(limit=1024)`."""
    write_limits: WriteLimits = WriteLimits()
    """A class or an `__init__` may set others."""

    def opened(self) -> None:
        """The connection is there, nothing was read."""

    def received(self, item: T, /) -> None:
        """The peer sent `item`. Not called any more after `close`."""

    def flushed(self) -> None:
        """Everything sent so far has left for the kernel."""

    def pause_writing(self) -> None:
        """More than `write_limits.high` bytes wait for the peer: send less. By default: `conn.pause_reading`.

        So a peer that asks and doesn't read the answers is held up, and loses nothing. Who also pauses reading for
        reasons of its own overrides this and `resume_writing`.
        """
        self.conn.pause_reading()

    def resume_writing(self) -> None:
        """No more than `write_limits.low` bytes wait any more. By default: `conn.resume_reading`."""
        self.conn.resume_reading()

    def eof(self) -> None:
        """The peer sends no more, but may still read. A frame that was cut short is dropped. By default: `close`.

        Over TLS it may have said so (close_notify) or just have ended the connection, as many clients do: where a cut
        must not pass for an end, the protocol itself says how long its items are.
        """
        self.close()

    def draining(self, seconds_left: float, /) -> None:
        """This worker is to end in `seconds_left`, and this session isn't idle: finish soon.

        The rule. A session is *idle* when all of this holds: the peer's bytes, those that the kernel holds included,
        are all received and end between two frames, everything sent has left (under H11: a response to every request),
        no `call_later`, `offload` or `hold` is pending, reading isn't paused, and it has received something or is older
        than 0.1 s (a request just sent may still be on its way). From the moment that the worker drains, a session that
        is idle is closed at once, without this call; any other is told here, once, and closed as soon as it becomes
        idle. Who isn't idle by the deadline is aborted, and `closed` gets a `DrainTimeoutError`.
        """

    def closed(self, exc: BaseException | None, /) -> None:
        """The session is over; called exactly once, as the last callback, if the session was made.

        `exc` is what ended it: an exception of a callback, FramingError, the OSError of a lost connection,
        WriteLimitError, DrainTimeoutError; None after `close`, `abort` and the peer's orderly end.
        """

    def send(self, item: T, /) -> None:
        """Queue `item` for the peer. Does nothing once the session is closing. Raises what the framer's encode does."""
        self.conn.send_item(item)

    def close(self) -> None:
        """End the session when everything sent has left."""
        self.conn.close()


class DrainTimeoutError(TimeoutError):
    """The worker's drain reached its deadline before the session was idle."""


class WriteLimitError(BufferError):
    """The session sent while more than `write_limits.hard` bytes waited for a peer that doesn't read."""
