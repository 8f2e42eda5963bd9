"""A connection over TLS, with a socket's methods: what a link sends and receives through it is sealed and opened here.

Theory. OpenSSL works on two buffers in memory, so that no loop has to know of it; the socket is non-blocking and the
loop's. It is a connection in the sense of `socket_link`, and differs from a socket in this:

*Sending* seals some records' worth at a time. `send` says that bytes are taken when the last of their sealed bytes has
left: until then they count as the session's backlog, are given again (the outlet sends in order), and are not sealed
twice. What OpenSSL says by itself (tickets, alerts, answers to a key update) leaves with the next chance.

*Receiving* reads the kernel once and opens all that came, so that nothing readable is ever left where no epoll sees it.
OpenSSL reads no further than the record that it opens: what it has not opened yet is a record that has come in part.

The end of the peer's output is a close_notify, or the bare end of the connection: OpenSSL is not told of the latter,
for it would refuse to send from then on. `end` is what `recv` would say next: None while the stream goes on.
"""

from __future__ import annotations

import contextlib
import errno
from ssl import MemoryBIO, SSLError, SSLWantReadError, SSLZeroReturnError
from typing import TYPE_CHECKING, Final

from prefork.tls_context import ServerObject

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from ssl import SSLContext

    from prefork.backends.backlog import Piece

RECORD_BYTES: Final = 16 * 1024
"""The most that one record holds."""
SEAL_BYTES: Final = 4 * RECORD_BYTES
"""Sealed at a time: as much may be sealed and not have left."""
MOST_OWN_BYTES: Final = 2 * SEAL_BYTES
"""A peer that makes OpenSSL talk (key updates) and doesn't read is cut off when more than this has not left."""
_HEADER = 5
_EOF = b""


class TlsStream:
    """Over one socket; `handshake` first, until it is done."""

    __slots__ = ("_in", "_open", "_out", "_part", "_seal", "_sealed", "_socket", "_unsent", "end", "object")

    def __init__(self, context: SSLContext, connection: socket.SocketType) -> None:
        self._in, self._out = MemoryBIO(), MemoryBIO()
        made = context.wrap_bio(self._in, self._out, server_side=True)
        assert isinstance(made, ServerObject)
        self.object = made
        self._open: Callable[[int], bytes] = self.object.read
        self._seal: Callable[[Piece], int] = self.object.write
        self._socket = connection
        self._unsent: Piece = b""
        """Sealed, and refused by the kernel."""
        self._sealed = 0
        """How many of the next bytes to send are in there."""
        self._part = b""
        """Of a record that has come in part."""
        self.end: OSError | bytes | None = None

    # -- the handshake -------------------------------------------------------------------------------------------------

    def handshake(self, chunk: bytes) -> bool:
        """Take what the peer sent, answer, and tell whether that was the last of it. Raises OSError."""
        self._in.write(chunk)
        try:
            self.object.do_handshake()
        except SSLWantReadError:
            self.push()
            return False
        except OSError:
            with contextlib.suppress(OSError):
                self.push()  # the alert
            raise
        self.push()
        return True

    def first(self) -> bytes:
        """What the peer has sent behind its handshake, as far as that came along. Raises OSError."""
        chunk = self._in.read()
        return self._opened(chunk) if chunk else b""

    @property
    def is_stuck(self) -> bool:
        """The kernel has refused something."""
        return bool(self._unsent)

    # -- receiving -----------------------------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As a non-blocking socket's; with MSG_PEEK, something where something has come. Raises OSError."""
        if flags:
            return self._part or self._socket.recv(size, flags)
        chunk = self._socket.recv(size)
        if not chunk:
            return _EOF
        opened = self._opened(chunk)
        if opened:
            return opened
        if isinstance(self.end, OSError):
            raise self.end
        if self.end is None:
            raise BlockingIOError(errno.EAGAIN, "no whole record yet")
        return _EOF

    def _opened(self, chunk: bytes) -> bytes:
        """What is in `chunk` and in what came before it."""
        incoming, read, parts = self._in, self._open, []
        incoming.write(chunk)
        try:
            while part := read(RECORD_BYTES):
                parts.append(part)
                if not incoming.pending:
                    break
            else:
                self.end = _EOF
            self._part = b""
        except SSLWantReadError:
            self._part = unfinished(self._part + chunk)
        except SSLZeroReturnError:  # in place of b"", once our own close_notify is out
            self.end, self._part = _EOF, b""
        except SSLError as error:
            self.end, self._part = error, b""
        if self._out.pending:
            self._answer()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _answer(self) -> None:
        """Let OpenSSL say what it has to say by itself."""
        try:
            self.push()
        except OSError as error:
            self.end = error if self.end is None else self.end
        if len(self._unsent) > MOST_OWN_BYTES:
            self.end = ConnectionAbortedError(errno.ECONNABORTED, "the peer asks for key updates and doesn't read them")

    # -- sending -------------------------------------------------------------------------------------------------------

    def send(self, piece: Piece, /) -> int:
        """Send from the beginning of `piece`; how many bytes have left, sealed. Raises BlockingIOError for none."""
        size, taken = len(piece), 0
        while self._has_left():
            taken += self._sealed
            self._sealed = 0
            if taken >= size:
                return taken
            whole = not taken and size <= SEAL_BYTES
            self._seal_all(piece if whole else memoryview(piece)[taken : taken + SEAL_BYTES])
        if not taken:
            raise BlockingIOError(errno.EAGAIN, "nothing has left")
        return taken

    def _has_left(self) -> bool:
        """Whether the kernel has taken all that is sealed."""
        if self._unsent or self._out.pending:
            self.push()
        return not self._unsent

    def _seal_all(self, piece: Piece) -> None:
        """Seal the whole of it: OpenSSL takes a record at a time."""
        size = len(piece)
        self._sealed = self._seal(piece)
        while self._sealed < size:
            self._sealed += self._seal(memoryview(piece)[self._sealed :])

    def push(self) -> None:
        """Send what is sealed, as far as the kernel takes it. Raises OSError for a broken connection."""
        sealed: Piece = self._out.read()
        if self._unsent:
            sealed = b"".join((self._unsent, sealed)) if sealed else self._unsent
        if sealed:
            try:
                sent = self._socket.send(sealed)
            except BlockingIOError:
                sent = 0
            self._unsent = memoryview(sealed)[sent:] if sent < len(sealed) else b""

    # -- the end -------------------------------------------------------------------------------------------------------

    def shutdown(self, _how: int, /) -> None:
        """Say close_notify; the connection stays open, for the peer may still send. Raises OSError."""
        with contextlib.suppress(SSLError):  # it wants the peer's, or can't say anything any more
            self.object.unwrap()
        self.push()

    def say_goodbye(self) -> None:
        """Say close_notify, if everything else has left: then the peer knows that this is the end."""
        if not self._unsent:
            with contextlib.suppress(OSError):
                self.shutdown(0)

    # -- as the socket -------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def getsockname(self) -> object:
        """This end. Raises OSError."""
        name: object = self._socket.getsockname()
        return name

    def getsockopt(self, level: int, option: int, /) -> int:
        """As the socket's."""
        return self._socket.getsockopt(level, option)

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """As the socket's."""
        self._socket.setsockopt(level, option, value)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def unfinished(records: bytes) -> bytes:
    """What is left of `records`, which begin with a whole one, behind the last that is whole.

    Source: a record is type, version, a length of two bytes, and so many bytes (RFC 8446, 5.1).
    """
    at = 0
    while (end := at + _HEADER) <= len(records):
        end += int.from_bytes(records[end - 2 : end])
        if end > len(records):
            break
        at = end
    return records[at:]
