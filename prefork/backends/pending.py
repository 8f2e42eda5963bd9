"""What a session still waits for: calls to make later, and threads that work for it. Its end voids them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.backends.offload import Job
from prefork.backends.timers import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.backends.link import Link
    from prefork.backends.timers import Timers


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
            self._link.pending_over(self)

    def void(self) -> None:
        """Cancel, because the session is over."""
        super().cancel()

    def fire(self) -> None:
        """Make the call."""
        fn, args = self.take()
        self._link.pending_due(self, fn, *args)


class LinkHold:
    """A `hold` of a session."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link: Link | None = link

    def release(self) -> None:
        """The work is done."""
        link, self._link = self._link, None
        if link is not None:
            link.released(self)

    def void(self) -> None:
        """The session is over."""
        self._link = None


class LinkJob(Job):
    """An `offload` of a session: its result is for the loop, its exception ends the session."""

    __slots__ = ("_link", "_then")

    def __init__(self, link: Link, fn: Callable[[], object], then: Callable[[Any], object] | None) -> None:
        super().__init__(fn)
        self._link: Link | None = link
        self._then = then

    def void(self) -> None:
        """The session is over: nobody wants the result, and the user's objects are let go."""
        self._link = self._then = None

    def finished(self, result: object, error: BaseException | None) -> None:
        """On the loop: hand the result, or the error, to the session."""
        link, then = self._link, self._then
        if link is None:
            return
        if error is not None:
            link.pending_due(self, _raise, error)
        elif then is not None:
            link.pending_due(self, then, result)
        else:
            link.pending_over(self)


def _raise(error: BaseException) -> None:
    """Raise as the session's own; what would end a process (SystemExit) ended only its thread."""
    if isinstance(error, Exception):
        raise error
    raise RuntimeError(f"a thread of offload() ended by {error!r}") from error
