"""A link whose session may be spoken to from any thread: what another one asks for is posted to the session's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.backends.ends import CLOSED
from prefork.backends.socket_link import SocketLink
from prefork.backends.tls_link import TlsLink

if TYPE_CHECKING:
    import select
    from collections.abc import Callable

    from prefork.app.framing import Framer
    from prefork.app.session import R, Timer
    from prefork.backends.host import Host
    from prefork.backends.pending import LinkHold
    from prefork.backends.socket_link import Connection


class PostedLink(SocketLink):
    """Its own thread is the one that calls `sit`."""

    __slots__ = ("_ident", "_own")

    def __init__(
        self,
        host: Host,
        poller: select.poll,
        connection: Connection,
        names: tuple[object, object],
        ident: Callable[[], object],
    ) -> None:
        """`names`: peer and listener; `ident()`: the thread that calls it."""
        super().__init__(host, poller, connection, *names)
        self._ident = ident
        self._own: object = None

    def sit(self) -> None:
        """The session lives in this thread from now on."""
        self._own = self._ident()

    def listen(self) -> bool:
        """Serve the peer until there is something else to do; False: the seat is to wait."""
        return False

    def interrupt(self) -> bool:
        """Have the thread look at its inbox, where it is in `listen`; False: it isn't."""
        return False

    @property
    def is_over(self) -> bool:
        """The session is closed and its connection as well."""
        return self._state == CLOSED

    def _do(self, fn: Callable[..., object], *args: Any) -> None:  # noqa: ANN401 - any call
        """Call it here, in the link's own thread, or have it called there: then its exception ends the session.

        A session that is over has no thread, and nobody would empty its inbox.
        """
        if self._ident() == self._own:
            fn(*args)
        elif not self.is_over:
            self._host.post(self._call, fn, *args)

    def send(self, data: bytes | bytearray | memoryview, /) -> None:
        """Queue `data`; what another thread gives may be changed afterwards."""
        if self._ident() == self._own:
            super().send(data)
        else:
            self._do(super().send, bytes(memoryview(data)))

    def send_item(self, item: Any, /) -> int:  # noqa: ANN401 - see Conn
        """Encode and queue `item`."""
        if self._ident() == self._own:
            return super().send_item(item)
        self._do(super().send_item, item)
        return 0

    def close(self) -> None:
        """End when all is sent."""
        self._do(super().close)

    def abort(self) -> None:
        """End without sending more."""
        self._do(super().abort)

    def send_eof(self) -> None:
        """End our own output when all is sent."""
        self._do(super().send_eof)

    def pause_reading(self) -> None:
        """Receive nothing."""
        self._do(super().pause_reading)

    def resume_reading(self) -> None:
        """Receive again."""
        self._do(super().resume_reading)

    def set_framer(self, framer: Framer[Any] | type[Framer[Any]], /) -> None:
        """Speak `framer` from the next item on."""
        self._do(super().set_framer, framer)

    def released(self, hold: LinkHold) -> None:
        """Another session's thread may be the one that did the work."""
        self._do(super().released, hold)

    def offload(self, fn: Callable[[], R], then: Callable[[R], object] | None = None, /) -> None:
        """Run `fn()` in another thread."""
        self._do(super().offload, fn, then)

    def call_later(self, seconds: float, fn: Callable[..., object], /, *args: Any) -> Timer:  # noqa: ANN401 - see Conn
        """Call `fn(*args)` after `seconds`, in the session's own thread."""
        if self._ident() == self._own:
            return super().call_later(seconds, fn, *args)
        promise = PostedTimer(self)
        self._do(promise.make, super().call_later, seconds, fn, *args)
        return promise


class TlsPostedLink(TlsLink, PostedLink):
    """The same over TLS."""

    __slots__ = ()


class PostedTimer:
    """A timer that another thread asked for."""

    __slots__ = ("_cancelled", "_link", "_timer")

    def __init__(self, link: PostedLink) -> None:
        self._link = link
        self._timer: Timer | None = None
        self._cancelled = False

    def make(self, call_later: Callable[..., Timer], *args: Any) -> None:  # noqa: ANN401 - as call_later
        """In the session's thread: set it, unless it was cancelled before."""
        if not self._cancelled:
            self._timer = call_later(*args)

    def cancel(self) -> None:
        """The call will not be made, unless it begins just now."""
        self._cancelled = True
        self._link._do(self._stop)  # noqa: SLF001 - one module

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
