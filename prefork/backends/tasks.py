"""The asyncio tasks of a worker: where each was made, and their end when the last session is over.

Theory. A task that the user's code made outlives its session. After the last one such tasks are cancelled and awaited,
for as long as the drain may still take; one that doesn't end by then is reported with the line that made it. The tasks
of coroutine sessions, which know already that their session is over, get half of that time to clean up first. In any
case there is a moment, also behind the drain's deadline.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from prefork.app.task_driver import alive

if TYPE_CHECKING:
    from types import FrameType

    from prefork.backends.tether import Tether

_log = logging.getLogger("prefork.worker")
_LIBRARY = asyncio.__file__.removesuffix("__init__.py")


class Tasks:
    """Installed on a loop before it runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tether: Tether, *, traced: bool = True) -> None:
        """`traced`: tell where a task was made, at 2 us a task: too much where each request is one."""
        self._made_at: WeakKeyDictionary[asyncio.Future[Any], str] = WeakKeyDictionary()
        self._tether = tether
        if traced:
            loop.set_task_factory(self._make)

    def _make(self, loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> asyncio.Task[Any]:  # noqa: ANN401
        task = asyncio.Task(coro, loop=loop, **more)
        self._made_at[task] = _place(sys._getframe(1))  # noqa: SLF001 - what `inspect` offers walks the whole stack
        return task

    async def end(self) -> None:
        """Cancel what still runs, and wait for it until the drain's deadline, or a moment."""
        tether = self._tether
        if alive:
            await asyncio.wait([*alive], timeout=max(tether.seconds_left / 2, tether.moment_left))
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        for task in left:
            task.cancel()
        _log.info("cancelled %d tasks that were left when the last session was over", len(left))
        _, stuck = await asyncio.wait(left, timeout=max(tether.seconds_left, tether.moment_left))
        for task in stuck:
            made = alive.get(task) or self._made_at.get(task)
            where = f"which is at {stands(task)}" if made is None else f"made at {made}"
            _log.error("a task does not end when cancelled: %s, %s", task.get_name(), where)


def stands(task: asyncio.Task[Any]) -> str:
    """Where it waits: the innermost line that isn't asyncio's own."""
    found = "an unknown place"
    awaits: object = task.get_coro()
    while inspect.iscoroutine(awaits) and awaits.cr_frame is not None:
        if not awaits.cr_code.co_filename.startswith(_LIBRARY):
            found = f"{awaits.cr_code.co_filename}:{awaits.cr_frame.f_lineno}"
        awaits = awaits.cr_await
    return found


def _place(frame: FrameType | None) -> str:
    """The innermost line that isn't asyncio's own."""
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame = frame.f_back
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
