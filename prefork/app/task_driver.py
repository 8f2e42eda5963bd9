"""The other way to drive a coroutine: as a task of the asyncio loop that runs here, so that it may await asyncio.

Theory. asyncio.Task awaits anything that behaves as a future (`_asyncio_future_blocking`, `add_done_callback`,
`result`, `cancel`: what `asyncio.isfuture` and the task's C code ask for). Our wait is such an object, with one
difference: it calls the task's wake-up at once instead of by `call_soon`. So a coroutine that waits for its connection
costs no future, no handle and no turn of the loop, and is a real task all the same: `current_task`, `timeout`,
`TaskGroup`, cancellation. Wake-ups come from the loop's callbacks, never from within another task. A woken task asks
what it was woken with for a result, which costs no call of Python where that is a future of asyncio's own: so a wait
that is over wakes it with one that is always done, and with itself only where it is cancelled.

asyncio is never imported here: where no asyncio loop runs, nobody asks.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

    from prefork.app.waits import Owner, Wait

alive: Final[dict[Task[None], str]] = {}
"""The tasks of this worker's sessions, also those that still clean up, and where each one's function stands."""


def running_loop() -> AbstractEventLoop | None:
    """The asyncio loop that runs in this thread, if there is one."""
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001


class TaskWait:
    """A wait that a task takes for a future."""

    __slots__ = ("_asyncio_future_blocking", "_context", "_driver", "_forget", "_loop", "_wake", "_why")

    def __init__(self, driver: TaskDriver, forget: Callable[[Wait], None]) -> None:
        self._driver = driver
        self._loop = driver.loop
        """The task's own, else it refuses."""
        self._forget = forget
        self._asyncio_future_blocking = True
        """Set whenever it is yielded; the task takes it back, and then adds its callback."""
        self._wake: Callable[[Any], object] | None = None
        self._context: Context
        self._why: object = None

    def __await__(self) -> Generator[TaskWait, None, None]:
        yield self

    def wake(self) -> None:
        """Run the task that waits to its next wait."""
        wake = self._wake
        if wake is not None:
            self._wake = None
            driver = self._driver
            driver.inside = True
            self._context.run(wake, driver.settled)
            driver.inside = False

    def is_of(self, driver: object, /) -> bool:
        """Whether the driver's own task waits, and not one that it has made."""
        return getattr(self._wake, "__self__", None) is self._driver.task and driver is self._driver

    # -- as a future ---------------------------------------------------------------------------------------------------

    def add_done_callback(self, fn: Callable[[Any], object], *, context: Context) -> None:
        """`fn(done)` runs the task; it is asked for anew each time that it waits."""
        self._asyncio_future_blocking = True
        self._wake = fn
        self._context = context

    def result(self) -> NoReturn:
        """Raise the cancellation: nothing else is asked for with this wait."""
        raise sys.modules["asyncio"].CancelledError(*(() if self._why is None else (self._why,)))

    def cancel(self, msg: object = None) -> bool:
        """Wake the task soon, to be cancelled; nothing else wakes it from now on."""
        wake = self._wake
        if wake is None:
            return False
        self._wake = None
        self._why = msg
        self._forget(self)
        self._driver.loop.call_soon(wake, self, context=self._context)
        return True


class TaskDriver:
    """Drives a coroutine as a task of `loop`."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.done = False
        self.error: BaseException | None = None
        self.settled = loop.create_future()
        """Always done: what a task is woken with."""
        self.settled.set_result(None)
        self.inside = False
        """A wake-up of ours runs."""
        self.task: Task[None] | None = None
        self._began = self._over = False

    def start(self, coroutine: Coroutine[Any, Any, object], owner: Owner, /) -> None:
        """Run it soon: the loop has it from now on."""
        self.task = task = self.loop.create_task(self._run(coroutine, owner), name=owner.name)
        alive[task] = owner.place

    def new_wait(self, forget: Callable[[Wait], None], /) -> TaskWait:
        """A wait for one task at a time."""
        return TaskWait(self, forget)

    def end(self, *, interrupted: bool) -> None:
        """Cancel what it awaits beside its connection; its clean-up may await, until the worker's last moment."""
        self._over = True
        if self.task is not None and self._began and not (self.done or interrupted):
            self.task.cancel("the session is over")

    async def _run(self, coroutine: Coroutine[Any, Any, object], owner: Owner) -> None:
        error = None
        self._began = True
        if self._over:
            coroutine.close()
        try:
            if not self._over:
                await coroutine
        except BaseException as raised:  # noqa: BLE001 - told to the session
            error = None if owner.excuses(raised) else raised
        self.done = True
        if self.task is not None:
            alive.pop(self.task, None)
        if not self._over:
            self.error = error
            if not self.inside:
                owner.ended()
        elif error is not None:
            owner.ended_late(error)
