"""A session over a connection, for every loop: callbacks, framing, errors, close, end of input, drain. Sans-IO.

Theory. A *link* is what a session knows as its `conn`. The loop moves bytes and tells the link what happened (`open`,
`chunk_in`, `eof_in`, `lost`, `writable`, `drain`); the link calls the session. What the session asks for is never done
inside its own callback: output and endings make the link *dirty*, and the loop flushes dirty links after each event. So
callbacks never overlap, what one callback sends leaves in one piece, and `closed` comes exactly once, as the last.

    OPEN -- close() --> CLOSING -- all sent --> CLOSED           closed(None)
    OPEN, CLOSING -- abort() --> ABORTING -- flush --> CLOSED    closed(None)
    any of them -- lost, failed, limit, deadline --> CLOSED      closed(why)

Input is *halted* while the session pauses reading or is no longer OPEN: then nothing is read, and what was read stays
in the decoder. Output is the other half's affair: `outlet`.

Whatever the user's code raises is the session's own affair (gevent's Timeout and asyncio's CancelledError are no
`Exception`); SystemExit and KeyboardInterrupt alone leave the loop and end the worker.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from prefork.app.foreign import ForeignAwaitError
from prefork.app.framing import NEED_MORE, Decoder, Framer, FramingError
from prefork.app.session import DrainTimeoutError, Session, WriteLimitError
from prefork.backends.ends import ABORTING, CLOSED, CLOSING, OPEN
from prefork.backends.host import LEAVING
from prefork.backends.outlet import DONE, WANTED, Outlet, check_limits
from prefork.backends.pending import LinkHold, LinkJob, LinkTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.session import Hold, R, Timer
    from prefork.backends.backlog import Piece
    from prefork.backends.host import Host

    Pending = LinkTimer | LinkJob | LinkHold

_log = logging.getLogger("prefork.session")

FRESH_NS = 100_000_000
"""A session that has received nothing is idle only after so long: its first request may still be on the way."""
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, by which a close is a reset."""
_OVER: Session[Any] = Session()
"""Stands for the session of a CLOSED link, so that the two don't keep each other in memory."""
_TROUBLE = (FramingError, WriteLimitError)
"""What a peer brings about: a warning, where the session's own exception is an error."""


class Link(Outlet):
    """One connection and its session.

    A loop's subclass brings `pull`, `_more_waits`, `_interest`, `_shut`, `_release`, `_local`.
    """

    __slots__ = (
        "_decoder",
        "_eof",
        "_fresh_until",
        "_halted",
        "_pending",
        "session",
    )

    _decoder: Decoder[Any]

    def __init__(self, host: Host, transmit: Callable[[Piece], int], peer: object, listener: object) -> None:
        """`transmit` as Outlet's; names as socket's."""
        super().__init__(host, transmit, peer, listener)
        self._halted = False
        """Nothing may be received: the session pauses reading, or isn't OPEN."""
        self._eof = 0
        self._fresh_until = 0
        self._pending: set[Pending] | None = None
        self.session = _OVER

    # -- what the loop brings ------------------------------------------------------------------------------------------

    @abstractmethod
    def pull(self) -> None:
        """Read once, if the kernel holds anything, and tell `chunk_in`, `eof_in` or `lost`."""

    @abstractmethod
    def _more_waits(self) -> bool:
        """Whether the kernel holds bytes that the peer sent: then the loop will read them in its next turn."""

    @abstractmethod
    def _release(self, *, reset: bool) -> None:
        """Close the connection and forget the link. `reset`: so that the peer sees a reset."""

    @property
    def _reads(self) -> bool:
        return not (self._halted or self._eof)

    # -- what the loop tells -------------------------------------------------------------------------------------------

    def open(self, now: int) -> None:
        """Make the session, and tell it."""
        app = self._host.app
        self._fresh_until = now + FRESH_NS
        try:
            self.session = session = app.session()
            session.conn = self
            self._speak(app.framer_of(session))
            self._heeds = type(session).flushed is not Session.flushed
            session.opened()
            check_limits(session)
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code
            self._failed(error)

    def chunk_in(self, chunk: bytes) -> None:
        """The peer sent `chunk`, which is not empty. What the session answers leaves with this call."""
        if self._halted:
            if not self._state:
                self._decoder.feed(chunk)
            return
        self._fresh_until = 0
        self._receiving = True
        try:
            item = self._decoder.take(chunk)
            if item is not NEED_MORE:
                self.session.received(item)
            else:
                self._deliver()
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code
            self._failed(error)
        self._receiving = False
        if self._out or self._state:
            self.flush()
        elif self._draining:
            self._settle()

    def eof_in(self) -> None:
        """The peer sends no more."""
        self._eof = WANTED
        self._fresh_until = 0
        if not self._state:
            self._resume()
        if not self._state:  # most close by it: taken off at once, they needn't be told first to read no more
            self._interest()

    def lost(self, error: OSError) -> None:
        """The connection is broken."""
        self._finish(error)

    def drain(self, now: int, seconds_left: float) -> None:
        """The worker drains: what is idle closes, after a last look at what the kernel holds."""
        self._draining = self._heeds = True
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
        """The drain's deadline is reached; a peer that may expect more sees a reset, or a part would look whole."""
        if self._own_eof != DONE and self._state != CLOSED:
            self._state = ABORTING
        self._finish(DrainTimeoutError("the worker's drain_timeout is over, and the session was not idle"))

    # -- what the session asks for -------------------------------------------------------------------------------------

    def close(self) -> None:
        """End when all is sent."""
        if self._state == OPEN:
            self._enter(CLOSING)
            if self._backlog is not None:
                self._interest()

    def abort(self) -> None:
        """End without sending more."""
        if self._state < ABORTING:
            self._enter(ABORTING)

    def pause_reading(self) -> None:
        """Receive nothing."""
        if not self._halted:
            self._halted = True
            self._interest()

    def resume_reading(self) -> None:
        """Receive again."""
        if self._halted and self._state == OPEN:
            self._halted = False
            self._interest()
            self._stir()

    def set_framer(self, framer: Framer[Any] | type[Framer[Any]], /) -> None:
        """Speak `framer` from the next item on."""
        spoken = self._host.app.framer(framer)
        if self._state == OPEN:
            rest = self._decoder.rest()
            self._speak(spoken)
            if rest:
                self._decoder.feed(rest)
                self._stir()

    def offload(self, fn: Callable[[], R], then: Callable[[R], object] | None = None, /) -> None:
        """Run `fn()` in a thread."""
        job = LinkJob(self, fn, then)
        self._await(job)
        self._host.offloads.run(job, self._host.post)

    def hold(self) -> Hold:
        """Not be idle until `release`."""
        hold = LinkHold(self)
        self._await(hold)
        return hold

    def call_later(self, seconds: float, fn: Callable[..., object], /, *args: Any) -> Timer:  # noqa: ANN401 - see Conn
        """Call `fn(*args)` after `seconds`; never, where the session is over."""
        timers = self._host.timers
        timer = LinkTimer(timers, self, fn, args)
        timers.push(time.monotonic_ns() + max(0, int(seconds * 1e9)), timer)
        self._await(timer)
        return timer

    # -- pending -------------------------------------------------------------------------------------------------------

    def pending_due(self, pending: Pending, fn: Callable[..., object], *args: Any) -> None:  # noqa: ANN401
        """Make the call that was waited for."""
        self.pending_over(pending)
        if self._state < ABORTING:
            self._call(fn, *args)

    def released(self, hold: LinkHold) -> None:
        """The work that the hold stood for is done."""
        self.pending_over(hold)

    def pending_over(self, pending: Pending) -> None:
        """Forget it; by that a draining session may be idle, which is looked at after the callback."""
        if self._pending is not None:
            self._pending.discard(pending)
        if self._draining:
            self._host.dirty.append(self)

    def _await(self, pending: Pending) -> None:
        if self._state >= ABORTING:
            pending.void()
        elif self._pending is None:
            self._pending = {pending}
        else:
            self._pending.add(pending)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _speak(self, framer: Framer[Any]) -> None:
        self._decoder, encode = framer.pair()
        if not self._own_eof:
            self._encode = encode if type(framer).pair is Framer.pair else self._answering(encode)

    def _answering(self, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        """`encode`, and then a look at what the decoder held back until something was sent."""

        def answer(item: Any) -> bytes:  # noqa: ANN401 - see Conn
            piece = encode(item)
            self._stir()
            return piece

        return answer

    def _deliver(self) -> None:
        """Hand over what the decoder holds; the session may close, pause, or set another framer between two items."""
        while not self._halted and (item := self._decoder.next()) is not NEED_MORE:
            self.session.received(item)

    def _stir(self) -> None:
        """Look at what the decoder holds when the callback that runs is over; until then the session isn't idle."""
        if not self._receiving:
            self.call_later(0, self._resume)

    def _resume(self) -> None:
        """Receive what is there, then the end of input, if it has come."""
        if self._halted:
            return
        self._receiving = True
        self._call(self._deliver)
        if self._eof == WANTED and not self._halted:
            self._eof = DONE
            self._call(self.session.eof)
        self._receiving = False
        self._host.dirty.append(self)

    def _enter(self, state: int) -> None:
        self._state = state
        self._halted = self._heeds = True
        if not self._receiving or state == ABORTING:
            self._host.dirty.append(self)

    def _grown(self) -> None:
        self._fresh_until = 0
        self._settle()

    def _is_idle(self) -> bool:
        """The rule of `Session.draining`."""
        waits = self._out or self._backlog or self._pending or self._fresh_until or self._halted
        if waits or self._decoder.unanswered or self._decoder.rest():
            return False
        return not (self._reads and self._more_waits())

    def _settle(self) -> None:
        """Close a draining session that is idle."""
        if self._draining and self._state == OPEN and self._is_idle():
            self.close()

    def _call(self, fn: Callable[..., object], *args: Any) -> None:  # noqa: ANN401 - any callback
        """Run the user's code."""
        try:
            fn(*args)
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """Let go what was sent before the error, and end."""
        if isinstance(error, FramingError) and error.reply:
            self._out.append(error.reply)
        if self._out and self._backlog is None:
            with contextlib.suppress(OSError):
                self._transmit(b"".join(self._out))
        if not isinstance(error, _TROUBLE):
            self._host.tether.session_failed()
            trace = None if isinstance(error, ForeignAwaitError) else error
            _log.error("session with %s ended by %s", self.peer, brief(error), exc_info=trace)
        self._finish(error)

    def _finish(self, why: BaseException | None) -> None:
        if self._state == CLOSED:
            return
        reset = self._state == ABORTING
        self._state = CLOSED
        self._halted = True
        self._out.clear()
        self._backlog = None
        for pending in self._pending or ():
            pending.void()
        self._pending = None
        if isinstance(why, _TROUBLE):
            _log.warning("session with %s ended: %s", self.peer, why)
        session, self.session = self.session, _OVER
        if session is not _OVER:
            try:
                session.closed(why)
            except LEAVING:
                raise
            except BaseException as error:  # noqa: BLE001 - the user's code
                _log.exception("session with %s: closed() raised %s", self.peer, brief(error))
        self._release(reset=reset)
        self._host.tether.session_closed()


def brief(error: BaseException) -> str:
    """The error as one line; an exception whose own text fails is named alone."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a broken __str__ of the user's
        return type(error).__name__
