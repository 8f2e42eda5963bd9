"""The sending half of a link: what the session sends, as far as the kernel takes it, and the limits of the rest.

Theory. What one callback sends is gathered in `_out` and leaves with the next flush, in one piece. What the kernel
refuses becomes the *backlog*; while there is one, the loop waits for room, and the session's write limits are judged:
over `high` it is told to pause, down to `low` to resume, and what it sends while more than `hard` waits ends it. A
single callback may send more than that to a peer that reads: nothing was refused yet.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Never

from prefork.app.framing.base import as_bytes
from prefork.app.session import WriteLimitError, WriteLimits
from prefork.backends.backlog import Backlog, send_pieces
from prefork.backends.ends import ABORTING, CLOSED, CLOSING, OPEN, Ends

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.session import Session
    from prefork.backends.backlog import Piece
    from prefork.backends.host import Host

WANTED, DONE = 1, 2
"""Of an end: it is to be told, and it was."""


def check_limits(session: Session[Any]) -> None:
    """Raise TypeError where the session's limits are none: later they are looked at outside of its callbacks."""
    limits = session.write_limits
    if not isinstance(limits, WriteLimits):
        raise TypeError(f"write_limits {limits!r:.60} of {type(session).__qualname__}: expected a WriteLimits")


class Outlet(Ends):
    """What a session sends. `Link` is the other half."""

    __slots__ = ("_backlog", "_encode", "_heeds", "_out", "_own_eof", "_receiving", "_transmit")

    session: Session[Any]
    _encode: Callable[[Any], bytes]

    def __init__(self, host: Host, transmit: Callable[[Piece], int], peer: object, listener: object) -> None:
        """`transmit` gives bytes to the kernel and returns how many it took, or raises OSError. Names as socket's."""
        super().__init__(host, peer, listener)
        self._transmit = transmit
        self._out: list[Piece] = []
        """Sent since the last flush."""
        self._backlog: Backlog | None = None
        self._heeds = False
        """Something hangs on it that all is sent: an ending, a drain, `flushed`."""
        self._own_eof = 0
        self._receiving = False
        """A callback runs after which the loop flushes anyway."""

    # -- the other half ------------------------------------------------------------------------------------------------

    @abstractmethod
    def _interest(self) -> None:
        """Wait for input only while `_reads`, for room to send only while there is a backlog."""

    @abstractmethod
    def _shut(self) -> None:
        """Let the peer read end of input. Raises OSError."""

    @abstractmethod
    def _call(self, fn: Callable[..., object], *args: Any) -> None:  # noqa: ANN401 - any callback
        """Run the user's code: its exception ends this session and nothing else."""

    @abstractmethod
    def _finish(self, why: BaseException | None) -> None:
        """End, if it hasn't yet."""

    @abstractmethod
    def _settle(self) -> None:
        """Close a draining session that is idle."""

    # -- the session ---------------------------------------------------------------------------------------------------

    def send(self, data: bytes | bytearray | memoryview, /) -> None:
        """Queue `data`."""
        if self._own_eof and not self._state:
            self._say_no_more(data)
        piece = data if type(data) is bytes else bytes(memoryview(data))
        if piece and not self._state:
            if not self._out and not self._receiving:
                self._host.dirty.append(self)
            self._out.append(piece)

    def send_item(self, item: Any, /) -> int:  # noqa: ANN401 - see Conn
        """Encode and queue `item`."""
        if self._state:
            return 0
        encode = self._encode
        piece = encode(item)
        if piece:
            if type(piece) is not bytes:
                piece = as_bytes(piece, f"{getattr(encode, '__qualname__', encode)}()")
            out = self._out
            if not out and not self._receiving:
                self._host.dirty.append(self)
            out.append(piece)
        return len(piece)

    def send_eof(self) -> None:
        """End our own output when all is sent."""
        if self._state == OPEN and not self._own_eof:
            self._own_eof = WANTED
            self._encode = self._say_no_more
            self._heeds = True
            self._host.dirty.append(self)

    def _say_no_more(self, _item: object) -> Never:
        raise RuntimeError("send: send_eof() has ended the output of this session")

    # -- the loop ------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what the session has sent, as far as it goes; then carry out an ending that was asked for."""
        out = self._out
        if self._backlog is not None or self._state >= ABORTING:
            self._flush_later(out)
            return
        sent = 0
        transmit = self._transmit  # called as a method of self, a slot is looked up three times as slowly
        try:
            if len(out) == 1:
                piece = out[0]
                sent = transmit(piece)
                if sent == len(piece):
                    out.clear()
                else:
                    out[0] = memoryview(piece)[sent:]
            elif out:
                sent = send_pieces(out, transmit)
        except BlockingIOError:
            pass
        except OSError as error:
            self._finish(error)
            return
        if out:
            self._backlog = Backlog()
            self._interest()
            self._flush_later(out)
        elif self._heeds:
            self._sent_all(sent)

    def writable(self) -> None:
        """There is room to send again."""
        backlog = self._backlog
        if backlog is None:
            return
        try:
            backlog.send(self._transmit)
        except OSError as error:
            self._finish(error)
            return
        if backlog.is_high and backlog.size <= self.session.write_limits.low:
            backlog.is_high = False
            self._call(self.session.resume_writing)
        if not backlog.size and self._state != CLOSED:
            self._backlog = None
            self._interest()
            self.flush() if self._out else self._sent_all(1)

    def _flush_later(self, out: list[Piece]) -> None:
        """There is a backlog, or an abort."""
        backlog = self._backlog
        if self._state == ABORTING:
            self._finish(None)
        elif out and backlog is not None:
            limits, waited = self.session.write_limits, backlog.size
            backlog.add(out)
            out.clear()
            if waited > limits.hard:
                self._finish(WriteLimitError(f"{waited} bytes wait for the peer, over the hard limit ({limits.hard})"))
            elif backlog.size > limits.high and not backlog.is_high:
                backlog.is_high = True
                self._call(self.session.pause_writing)

    def _sent_all(self, sent: int) -> None:
        """Nothing waits any more; `sent`: bytes that left just now."""
        if self._own_eof == WANTED:
            self._own_eof = DONE
            try:
                self._shut()
            except OSError as error:
                self._finish(error)
        if sent and not self._state:
            self._call(self.session.flushed)
        self._settle()
        if self._state == CLOSING and not self._out:
            self._finish(None)
