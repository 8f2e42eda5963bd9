"""What the links of one loop share, and the timers of their sessions. Sans-IO, for every loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.backends.timers import Entry, Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.app.app import App
    from prefork.backends.link import Link
    from prefork.backends.tether import Tether


class Host:
    """The app, the tether, the timers, and the links that want to be flushed."""

    __slots__ = ("app", "dirty", "tether", "timers")

    def __init__(self, app: App, tether: Tether) -> None:
        self.app = app
        self.tether = tether
        self.timers = Timers()
        self.dirty: list[Link] = []
        """Links with something to send, or an ending to carry out. The loop doesn't wait while there are any."""

    def flush(self) -> None:
        """Flush the links that are dirty now; what becomes dirty meanwhile waits for the next time."""
        batch = self.dirty[:]
        self.dirty.clear()
        for link in batch:
            link.flush()

    def drain(self, links: Iterable[Link], now: int) -> None:
        """Tell `links` that the worker drains: what is idle closes."""
        seconds_left = max(0.0, (self.tether.drain_by - now) / 1e9)
        for link in links:
            link.drain(now, seconds_left)
        self.flush()


class LinkTimer(Entry):
    """A `call_later` of a session: an exception ends the session, the session's end cancels it."""

    __slots__ = ("_link",)

    def __init__(self, timers: Timers, link: Link, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        super().__init__(timers, fn, args)
        self._link = link

    def cancel(self) -> None:
        """Make the call no more; a draining session may be idle by that."""
        if not self.is_over:
            super().cancel()
            self._link.timer_over(self)

    def void(self) -> None:
        """Cancel, because the session is over."""
        super().cancel()

    def fire(self) -> None:
        """Make the call."""
        fn, args = self.take()
        self._link.timer_due(self, fn, args)
