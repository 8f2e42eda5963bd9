"""The part of an AsyncConn that waits for nothing: the link does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.app.async_conn import AsyncConn, T

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.session import Address, Conn, Hold, Timer
    from prefork.app.worker import Server, Worker


class ConnView(AsyncConn[T]):
    """Of the link `conn`."""

    __slots__ = ("_conn",)

    def __init__(self, conn: Conn) -> None:
        self._conn = conn

    def send_nowait(self, item: T, /) -> None:
        """Queue `item`."""
        self._conn.send_item(item)

    def send_eof(self) -> None:
        """End our own output."""
        self._conn.send_eof()

    def call_later(self, seconds: float, fn: Callable[..., object], /, *args: Any) -> Timer:  # noqa: ANN401 - see Conn
        """Call `fn(*args)` later."""
        return self._conn.call_later(seconds, fn, *args)

    def hold(self) -> Hold:
        """Not be idle until `release`."""
        return self._conn.hold()

    def abort(self) -> None:
        """End now."""
        self._conn.abort()

    @property
    def is_closing(self) -> bool:
        """Whether the session has ended or was told to."""
        return self._conn.is_closing

    @property
    def is_draining(self) -> bool:
        """Whether the worker drains."""
        return self._conn.is_draining

    @property
    def peer(self) -> Address:
        """The other end."""
        return self._conn.peer

    @property
    def local(self) -> Address:
        """This end."""
        return self._conn.local

    @property
    def listener(self) -> Address:
        """The listener that took the connection."""
        return self._conn.listener

    @property
    def worker(self) -> Worker:
        """The worker."""
        return self._conn.worker

    @property
    def server(self) -> Server:
        """The pool."""
        return self._conn.server
