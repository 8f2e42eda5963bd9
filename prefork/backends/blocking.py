"""Sessions that may block, beside any loop that has `Turns`: the styles `socket` and `wsgi`, a thread each.

Theory. The serving loop accepts, and gives each connection to a thread of its crew, as a socket that blocks; it counts,
beats and obeys as for sessions of its own, and is posted when a thread has closed its socket.

Drain. Whether such a session is idle only its code can know. Who doesn't tell is *hushed*: as soon as nothing that the
peer sent is unread and nothing has come for a tenth of a second, our half of its input is shut. What the kernel still
takes is read all the same, then comes the end of input, as if the peer had gone: a handler in `recv` ends by itself.
Who tells that it isn't idle is left alone, and sees `is_draining`. At the deadline our half of the input is shut, and
our output where it doesn't get through: so whoever waits for the peer is woken. Whoever goes on gets a dead socket in
the place of its own: reading and sending fail. What is closed then is a reset, or a part would look whole; no output is
shut that gets through, for the peer would read the end. A moment later who hasn't returned is left behind.

A descriptor may be closed, wrapped or given away by the session's own code at any time. So the loop, before it shuts
anything, makes sure by its inode that the number is still this connection's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import termios
import time
from fcntl import ioctl
from importlib import import_module
from socket import SocketType
from threading import Lock
from typing import TYPE_CHECKING, Final

from prefork.app.blocking import BLOCKING, code_of
from prefork.app.framing import FramingError
from prefork.backends.crew import CrewTurns, Threads, leave
from prefork.backends.host import LEAVING
from prefork.backends.link import RESET, brief
from prefork.backends.preface import accept, address
from prefork.backends.turns import Turns
from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.app.app import App
    from prefork.backends.crew import Crew, CrewOptions
    from prefork.backends.host import Host
    from prefork.backends.preface import Accepted
    from prefork.backends.tether import Tether
    from prefork.tls import ServerTls

_log = logging.getLogger("prefork.session")

QUIET_NS: Final = 100_000_000
"""A peer that has sent nothing for so long is not in the middle of something, as far as one can tell."""
_LAST_READ: Final = 64 * 1024
_LAST_LOOK_NS: Final = 10_000_000
"""Whoever waited for the peer at the deadline has heard of it so much later."""
_UNSENT: Final = 0x894B
"""SIOCOUTQNSD of linux/sockios.h: how much of the output has never left."""
_TCP: Final = (socket.AF_INET, socket.AF_INET6)
_LAST_DATA_RECEIVED: Final = 52
"""Where tcpi_last_data_recv lies in struct tcp_info (linux/tcp.h), a word of 4 bytes, in ms."""
_LAST_DATA_RECEIVED_END: Final = _LAST_DATA_RECEIVED + 4


def adopt_blocking(app: App) -> None:
    """In the mold: import what such an app needs, so that workers share it. Raises ConfigError where it isn't there."""
    if app.style == "wsgi":
        try:
            import_module("prefork.app.wsgi")
        except (ImportError, AttributeError) as error:
            cure = "pip install 'prefork[wsgi]'"
            raise ConfigError(f"an app of style 'wsgi' needs gunicorn's HTTP core ({error}): {cure}") from None


def bridged(host: Host, tether: Tether, listeners: Sequence[socket.socket], options: CrewOptions) -> Turns:
    """The turns of a loop that never blocks itself: with threads beside it, where the app's style wants them."""
    if host.app.style not in BLOCKING:
        return Turns(host, tether, listeners)
    tether.gate.hold_at_most(options.max_threads)
    return BlockingTurns(host, tether, listeners, Threads())


class BlockingTurns(CrewTurns):
    """The serving loop: each session is given to a thread."""

    def __init__(self, host: Host, tether: Tether, listeners: Sequence[socket.socket], crew: Crew) -> None:
        super().__init__(host, tether, listeners, crew)
        self.code = code_of(host.app, lambda: host.post(host.server.stop))
        self.free = 0
        """Threads that have no session."""

    def accept(self, listener: socket.socket, family: int, /) -> Accepted:
        """Take a connection, if there is a thread for it."""
        if not self.free:
            self.crew.hire()
            self.free += 1
        return accept(listener, family, blocks=True)

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> BlockingSession:
        """A thread for the connection."""
        self.free -= 1  # over TLS as well: the thread shakes hands
        return BlockingSession(self, connection, peer, listener)


class BlockingSession:
    """One connection's. `open`, `drain` and `expire` are called by the serving loop; to its code it is a `Visit`."""

    def __init__(self, turns: BlockingTurns, connection: socket.SocketType, peer: object, listener: object) -> None:
        self.connection = turns.crew.blocking(connection)
        self.peer = peer
        self.listener = listener
        self.idle: bool | None = None
        self.is_draining = False
        self._turns = turns
        self._fd = self.connection.fileno()
        self._inode = os.fstat(self._fd).st_ino
        self._family = self.connection.family
        self._closing = Lock()
        self._is_closed = self._is_expired = False
        self._tls = turns.host.tls_of(listener)
        self._looked = False

    # -- for the serving loop ------------------------------------------------------------------------------------------

    def open(self, _now: int, /) -> None:
        """Give the session to a thread, when this turn is over."""
        self._turns.fresh.append(self.live)

    def drain(self, _now: int, _seconds_left: float, /) -> None:
        """Let the session end, where that harms nothing."""
        self.is_draining = True
        self._hush()

    def expire(self) -> None:
        """Wake whoever waits for the peer, for the last time."""
        self._is_expired = True
        with self._closing, contextlib.suppress(OSError):
            if self._is_ours():
                raw = SocketType(self._family, socket.SOCK_STREAM, 0, self._fd)
                try:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    raw.shutdown(socket.SHUT_RDWR if self._is_stuck() else socket.SHUT_RD)
                finally:
                    raw.detach()
                self._turns.host.timers.add(time.monotonic_ns() + _LAST_LOOK_NS, self._unplug)

    def _unplug(self) -> None:
        """Put a dead socket in the place of the connection, once nobody waits to send."""
        with self._closing, contextlib.suppress(OSError):
            if not self._is_ours():
                return
            if self._is_stuck():
                raw = SocketType(self._family, socket.SOCK_STREAM, 0, self._fd)
                try:
                    raw.shutdown(socket.SHUT_WR)
                finally:
                    raw.detach()
                self._turns.host.timers.add(time.monotonic_ns() + _LAST_LOOK_NS, self._unplug)
                return
            dead, other = socket.socketpair()
            with dead:
                other.close()
                os.dup2(dead.fileno(), self._fd, inheritable=False)

    def _is_stuck(self) -> bool:
        """Whether the peer takes no more, so that it reads no end of what is shut. A Unix socket has no reset."""
        return self._family not in _TCP or _amount(self._fd, _UNSENT) > 0

    def _hush(self) -> None:
        """End the peer's input as soon as it is quiet; never, while the code says that it isn't idle."""
        with self._closing, contextlib.suppress(OSError):
            if self.idle is False or not self._is_ours():
                return
            raw = SocketType(self._family, socket.SOCK_STREAM, 0, self._fd)
            try:
                if self._is_quiet(raw):
                    raw.shutdown(socket.SHUT_RD)
                else:
                    self._turns.host.timers.add(time.monotonic_ns() + QUIET_NS, self._hush)
            finally:
                raw.detach()

    def _is_ours(self) -> bool:
        """Whether the descriptor is still the connection's."""
        return not self._is_closed and os.fstat(self._fd).st_ino == self._inode

    def _is_quiet(self, raw: SocketType) -> bool:
        """Whether the peer has sent nothing for a while, and all of it was read."""
        looked, self._looked = self._looked, True
        if _unread(self._fd):
            return False
        if self._family not in _TCP:
            return looked
        info = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED_END)
        return int.from_bytes(info[_LAST_DATA_RECEIVED:], sys.byteorder) * 1_000_000 >= QUIET_NS

    def _turned_away(self) -> None:
        """The thread is free, and there was no session."""
        self._turns.door.held.discard(self)
        self._turns.free += 1
        self._turns.door.turned_away()

    def _over(self) -> None:
        """The thread is free, and the connection closed."""
        self._turns.door.held.discard(self)
        self._turns.free += 1
        self._turns.tether.session_closed()

    # -- in the session's thread ---------------------------------------------------------------------------------------

    def live(self) -> None:
        """Serve the session to its end."""
        post = self._turns.host.post
        if self._tls is not None and not self._shake_hands(self._tls):
            self._close()
            post(self._turned_away)
            return
        try:
            self._turns.code(self)
        except LEAVING as error:
            post(leave, error)
        except BaseException as error:  # noqa: BLE001 - the user's code
            self._failed(error)
        try:
            self._close()
        finally:
            post(self._over)

    def _shake_hands(self, tls: ServerTls) -> bool:
        """Speak TLS from now on; False: the peer doesn't.

        An end of input that no alert announced, such as a drain makes, is one all the same: else OpenSSL 3 would answer
        it by an alert, and the peer would not read an orderly end.
        """
        import ssl  # noqa: PLC0415 - for who uses it, and loaded by then

        tls.context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
        self.connection.settimeout(tls.handshake_timeout_ns / 1e9)
        try:
            self.connection = tls.context.wrap_socket(self.connection, server_side=True)
        except OSError as error:
            _log.info("no session with %s: TLS handshake: %s", address(self.peer), error)
            return False
        self.connection.settimeout(None)
        return True

    def _failed(self, error: BaseException) -> None:
        """Tell it once: what a peer or a deadline brought about as a warning, any other as the error that it is."""
        peer = address(self.peer)
        if self._is_expired:
            _log.warning("session with %s ended by the drain's deadline: %s", peer, brief(error))
        elif isinstance(error, FramingError):
            _log.warning("session with %s ended: %s", peer, error)
        elif isinstance(error, ConnectionError) and self._is_lost():
            _log.warning("session with %s ended: %s", peer, brief(error))
        else:
            _log.error("session with %s ended by %s", peer, brief(error), exc_info=error)
            self._turns.host.post(self._turns.tether.session_failed)

    def _is_lost(self) -> bool:
        """Whether the connection is broken; if not, the error is of another one."""
        try:
            self.connection.getpeername()
        except OSError:
            return True
        return False

    def _close(self) -> None:
        """Close what the code left open: by FIN, what the peer has sent being read as far as it came."""
        connection = self.connection
        with self._closing:
            self._is_closed = True
        if connection.fileno() < 0:
            return
        if self._is_expired:  # nothing that the peer could take for an orderly end
            connection.close()
            return
        if self._tls is not None:
            with contextlib.suppress(OSError, ValueError):  # the peer's own last word is not waited for
                connection.settimeout(0)
                connection.unwrap()  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            if _unread(connection.fileno()):  # what is left unread would make the close a reset
                connection.settimeout(0)
                connection.recv(_LAST_READ)
        connection.close()


def _unread(fd: int) -> int:
    """How many bytes the kernel holds of what the peer sent."""
    return _amount(fd, termios.FIONREAD)


def _amount(fd: int, request: int) -> int:
    return int.from_bytes(ioctl(fd, request, bytes(4)), sys.byteorder)
