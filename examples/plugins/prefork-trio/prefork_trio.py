"""The loop `trio` for prefork: sessions are called inside a running trio, so they may start tasks.

Theory. The worker is a guest: trio waits for one descriptor, until one deadline, and takes a turn. What a task asks of
a session outside of a turn cancels the wait. Tasks belong to one nursery of the worker; nothing but the wait is ever
cancelled before the last session is over.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.guest import Guest

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from prefork import App
    from prefork.app.styles import Style, Support
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether

_log = logging.getLogger("prefork.worker")


class TrioBackend:
    """Sessions inside a running trio."""

    name = "trio"
    contract = CONTRACT
    styles: Mapping[Style, Support] = {"session": "native", "coroutine": "native"}
    options = None

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, _options: object, /) -> None:
        """Serve `app` until the worker is done."""
        visit = _Visit(tether, listeners, app)
        try:
            trio.run(visit.run)
        finally:
            visit.guest.close()


def start_soon(task: Callable[..., Awaitable[Any]], *args: Any) -> None:  # noqa: ANN401 - as trio's
    """Run `await task(*args)` in this worker; cancelled, and waited for, when the last session is over.

    Its exception is logged. Raises RuntimeError outside of a worker that runs on trio, LookupError of another trio.
    """
    _visit.get().start_soon(task, args)


class _Visit:
    """The turns of one worker in one trio."""

    def __init__(self, tether: Tether, listeners: Sequence[socket.socket], app: App) -> None:
        self.guest = Guest(tether, listeners, app, self._stirred)
        self._drain_timeout = tether.settings.drain_timeout_ns / 1e9
        self._wait = trio.CancelScope()
        self._tasks: trio.Nursery
        self._ended_by: BaseException | None = None

    async def run(self) -> None:
        """Raises what leaves a turn as it is: a nursery would wrap it in a group."""
        async with trio.open_nursery() as beating:
            async with trio.open_nursery() as self._tasks:
                _visit.set(self)
                try:
                    await self._serve()
                except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - raised below
                    self._ended_by = error
                if left := len(self._tasks.child_tasks):
                    _log.info("cancelled %d tasks that were left when the last session was over", left)
                    beating.start_soon(self._beat)
                self._tasks.cancel_scope.cancel()
            beating.cancel_scope.cancel()
        if self._ended_by is not None:
            raise self._ended_by
        self.guest.stop()

    def start_soon(self, task: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        """As the function of that name."""
        self._tasks.start_soon(self._run_task, task, args, name=task)

    async def _serve(self) -> None:
        self.guest.start()
        while not (self.guest.is_done or self._ended_by):
            await self._turn()

    async def _beat(self) -> None:
        """Go on turning, for as long as a drain may take: who is silent is killed, and a task may need a while."""
        with trio.move_on_after(self._drain_timeout):
            while not self._ended_by:
                await self._turn()

    async def _turn(self) -> None:
        with trio.CancelScope(deadline=trio.current_time() + self.guest.patience()) as self._wait:
            await trio.lowlevel.wait_readable(self.guest.fileno())
        self.guest.turn()

    def _stirred(self) -> None:
        self._wait.cancel()

    async def _run_task(self, task: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        try:
            await task(*args)
        except Exception as error:  # noqa: BLE001 - the user's code
            _log.exception("a task raised %s: %s", type(error).__name__, error)
        except (SystemExit, KeyboardInterrupt) as error:
            self._ended_by = error
            self._wait.cancel()


_visit: trio.lowlevel.RunVar[_Visit] = trio.lowlevel.RunVar("prefork_trio")


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `trio`."""
    return [TrioBackend()]
