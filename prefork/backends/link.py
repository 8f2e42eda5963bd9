"""A session over a connection, for every loop: callbacks, framing, errors, close, flush, end of input, drain. Sans-IO.

Theory. A *link* is what a session knows as its `conn`. The loop moves bytes and tells the link what happened (`open`,
`chunk_in`, `eof_in`, `lost`, `writable`, `drain`); the link calls the session. What the session asks for is never done
inside its own callback: output and endings make the link *dirty*, and the loop flushes dirty links after each event. So
callbacks never overlap, what one callback sends leaves in one piece, and `closed` comes exactly once, as the last.

    OPEN -- close() --> CLOSING -- all sent --> CLOSED           closed(None)
    OPEN, CLOSING -- abort() --> ABORTING -- flush --> CLOSED    closed(None)
    any of them -- lost, failed, drain deadline --> CLOSED       closed(why)

Only `Exception` is the session's own affair: SystemExit and KeyboardInterrupt leave the loop and end the worker.
"""

from __future__ import annotations

import contextlib
import logging
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from prefork.app.framing import NEED_MORE, Decoder, FramingError
from prefork.app.session import Address, Conn, DrainTimeoutError, Session
from prefork.backends.host import LinkTimer
from prefork.backends.preface import address

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.session import Timer
    from prefork.backends.host import Host

_log = logging.getLogger("prefork.session")

OPEN, CLOSING, ABORTING, CLOSED = range(4)
FRESH_NS = 100_000_000
"""A session that has received nothing is idle only after so long: its first request may still be on the way."""
GATHER_BYTES = 256 * 1024
"""Pending pieces are joined up to this size for one send."""
_OVER: Session[Any] = Session()
"""Stands for the session of a CLOSED link, so that the two don't keep each other in memory."""


class Link(Conn):
    """One connection and its session. A loop's subclass brings `pull`, `_interest`, `_release` and `_local`."""

    __slots__ = (
        "_blocked",
        "_decoder",
        "_draining",
        "_encode",
        "_eof",
        "_fresh_until",
        "_host",
        "_listener",
        "_out",
        "_peer",
        "_receiving",
        "_state",
        "_timers",
        "_transmit",
        "_wants_flushed",
        "session",
    )

    _decoder: Decoder[Any]
    _encode: Callable[[Any], bytes]

    def __init__(
        self, host: Host, transmit: Callable[[bytes | memoryview], int], peer: object, listener: object
    ) -> None:
        """`transmit` gives bytes to the kernel and returns how many it took, or raises OSError. Names as socket's."""
        self._host = host
        self._transmit = transmit
        self._peer = peer
        self._listener = listener
        self._state = OPEN
        self._out: list[bytes | memoryview] = []
        self._blocked = False
        self._eof = False
        self._draining = False
        self._receiving = False
        self._fresh_until = 0
        self._timers: set[LinkTimer] | None = None
        self._wants_flushed = False
        self.session = _OVER

    # -- what the loop brings ------------------------------------------------------------------------------------------

    @abstractmethod
    def pull(self) -> None:
        """Read once, if the kernel holds anything, and tell `chunk_in`, `eof_in` or `lost`."""

    @abstractmethod
    def _interest(self) -> None:
        """Wait for input only while `_reads`, for room to send only while `_blocked`."""

    @abstractmethod
    def _release(self, *, reset: bool) -> None:
        """Close the connection and forget the link. `reset`: so that the peer sees a reset."""

    @abstractmethod
    def _local(self) -> object:
        """The name of this end. Raises OSError once released."""

    @property
    def _reads(self) -> bool:
        return self._state == OPEN and not self._eof

    # -- what the loop tells -------------------------------------------------------------------------------------------

    def open(self, now: int) -> None:
        """Make the session, and tell it."""
        app = self._host.app
        self._fresh_until = now + FRESH_NS
        try:
            self.session = session = app.session()
            session.conn = self
            framer = app.framer_of(session)
            self._decoder = framer.decoder()
            self._encode = framer.encode
            self._wants_flushed = type(session).flushed is not Session.flushed
            session.opened()
        except Exception as error:  # noqa: BLE001 - the user's code
            self._failed(error)

    def chunk_in(self, chunk: bytes) -> None:
        """The peer sent `chunk`, which is not empty. What the session answers leaves with this call."""
        if self._state:
            return
        self._fresh_until = 0
        self._receiving = True
        decoder = self._decoder
        try:
            item = decoder.take(chunk)
            if item is not NEED_MORE:
                self.session.received(item)
            else:
                while not self._state and (item := decoder.next()) is not NEED_MORE:
                    self.session.received(item)
        except Exception as error:  # noqa: BLE001 - the user's code
            self._failed(error)
        self._receiving = False
        if self._out or self._state:
            self.flush()
        elif self._draining:
            self._settle()

    def eof_in(self) -> None:
        """The peer sends no more."""
        self._eof = True
        self._fresh_until = 0
        if self._state == OPEN:
            self._call(self.session.eof)
        if self._state == OPEN:
            self._interest()
            self._settle()

    def lost(self, error: OSError) -> None:
        """The connection is broken."""
        self._finish(error)

    def writable(self) -> None:
        """There is room to send again."""
        self._blocked = False
        self.flush()
        if self._state != CLOSED and not self._blocked:
            self._interest()

    def flush(self) -> None:
        """Send what is pending, as far as it goes; then carry out an ending that was asked for."""
        out = self._out
        if self._blocked or self._state >= ABORTING:
            if self._state == ABORTING:
                self._finish(None)
            return
        sent = 0
        transmit = self._transmit  # called as a method of self, a slot is looked up three times as slowly
        try:
            while out:
                piece = out[0] if len(out) == 1 else self._gather()
                sent = transmit(piece)
                if sent != len(piece):
                    out[0] = memoryview(piece)[sent:]
                    self._block()
                    return
                del out[0]
        except BlockingIOError:
            self._block()
        except OSError as error:
            self._finish(error)
        else:
            if self._state or self._draining or self._wants_flushed:
                self._flushed(sent)

    def drain(self, now: int, seconds_left: float) -> None:
        """The worker drains: what is idle closes, after a last look at what the kernel holds."""
        self._draining = True
        if self._reads:
            self.pull()
        if now >= self._fresh_until:
            self._fresh_until = 0
        else:
            self._host.timers.add(self._fresh_until, self._grown)
        if self._state == OPEN and not self._is_idle():
            self._call(self.session.draining, seconds_left)
        self._settle()

    def expire(self) -> None:
        """The drain's deadline is reached."""
        self._finish(DrainTimeoutError("the worker's drain_timeout is over, and the session was not idle"))

    # -- what the session asks for -------------------------------------------------------------------------------------

    def send(self, data: bytes | bytearray | memoryview, /) -> None:
        """Queue `data`."""
        piece = data if type(data) is bytes else bytes(memoryview(data))
        if piece and not self._state:
            if not self._out and not self._receiving:
                self._host.dirty.append(self)
            self._out.append(piece)

    def send_item(self, item: Any, /) -> None:  # noqa: ANN401 - see Conn
        """Encode and queue `item`."""
        if self._state:
            return
        encode = self._encode
        piece = encode(item)
        if piece:
            out = self._out
            if not out and not self._receiving:
                self._host.dirty.append(self)
            out.append(piece)

    def close(self) -> None:
        """End when all is sent."""
        if self._state == OPEN:
            self._state = CLOSING
            if not self._receiving:
                self._host.dirty.append(self)
            if self._blocked:
                self._interest()

    def abort(self) -> None:
        """End without sending more."""
        if self._state < ABORTING:
            self._state = ABORTING
            self._host.dirty.append(self)

    def call_later(self, seconds: float, fn: Callable[..., object], /, *args: Any) -> Timer:  # noqa: ANN401 - see Conn
        """Call `fn(*args)` after `seconds`; never, where the session is over."""
        timers = self._host.timers
        timer = LinkTimer(timers, self, fn, args)
        timers.push(time.monotonic_ns() + max(0, int(seconds * 1e9)), timer)
        if self._state >= ABORTING:
            timer.void()
            return timer
        if self._timers is None:
            self._timers = set()
        self._timers.add(timer)
        return timer

    @property
    def is_closing(self) -> bool:
        """Whether the session has ended or was told to."""
        return self._state != OPEN

    @property
    def is_draining(self) -> bool:
        """Whether the worker drains."""
        return self._draining

    @property
    def peer(self) -> Address:
        """The other end."""
        return address(self._peer)

    @property
    def local(self) -> Address:
        """This end."""
        try:
            return address(self._local())
        except OSError:
            return address(self._listener)

    @property
    def listener(self) -> Address:
        """The listener that took the connection."""
        return address(self._listener)

    # -- timers --------------------------------------------------------------------------------------------------------

    def timer_due(self, timer: LinkTimer, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Make the call of `timer`."""
        self.timer_over(timer)
        if self._state < ABORTING:
            self._call(fn, *args)

    def timer_over(self, timer: LinkTimer) -> None:
        """Forget `timer`; by that a draining session may be idle, which is looked at after the callback."""
        if self._timers is not None:
            self._timers.discard(timer)
        if self._draining:
            self._host.dirty.append(self)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _flushed(self, sent: int) -> None:
        """Nothing is pending any more."""
        if sent and self._wants_flushed and not self._state:
            self._call(self.session.flushed)
        self._settle()
        if self._state == CLOSING and not self._out:
            self._finish(None)

    def _gather(self) -> bytes | memoryview:
        """Join the first pieces, as many as make one send."""
        out = self._out
        size = len(out[0])
        count = 1
        while count < len(out) and size + len(out[count]) <= GATHER_BYTES:
            size += len(out[count])
            count += 1
        if count > 1:
            out[:count] = [b"".join(out[:count])]
        return out[0]

    def _block(self) -> None:
        if not self._blocked:
            self._blocked = True
            self._interest()

    def _grown(self) -> None:
        self._fresh_until = 0
        self._settle()

    def _is_idle(self) -> bool:
        """The rule of `Session.draining`."""
        return not (self._out or self._timers or self._fresh_until or self._decoder.rest())

    def _settle(self) -> None:
        """Close a draining session that is idle."""
        if self._draining and self._state == OPEN and self._is_idle():
            self.close()

    def _call(self, fn: Callable[..., object], *args: Any) -> None:  # noqa: ANN401 - any callback
        """Run the user's code: its exception ends this session and nothing else."""
        try:
            fn(*args)
        except Exception as error:  # noqa: BLE001 - the user's code
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Log once, let go what was sent before the error, and end."""
        if isinstance(error, FramingError):
            _log.warning("session with %s ended: %s", self.peer, error)
        else:
            self._host.tether.session_failed()
            _log.error("session with %s ended by %s", self.peer, _brief(error), exc_info=error)
        if self._out and not self._blocked:
            with contextlib.suppress(OSError):
                self._transmit(b"".join(self._out))
        self._finish(error)

    def _finish(self, why: Exception | None) -> None:
        if self._state == CLOSED:
            return
        reset = self._state == ABORTING
        self._state = CLOSED
        self._out.clear()
        for timer in self._timers or ():
            timer.void()
        self._timers = None
        session, self.session = self.session, _OVER
        if session is not _OVER:
            try:
                session.closed(why)
            except Exception as error:  # noqa: BLE001 - the user's code
                _log.exception("session with %s: closed() raised %s", self.peer, _brief(error))
        self._release(reset=reset)
        self._host.tether.session_closed()


def _brief(error: Exception) -> str:
    """The error as one line; an exception whose own text fails is named alone."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a broken __str__ of the user's
        return type(error).__name__
