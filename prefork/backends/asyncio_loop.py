"""The loop named `asyncio`: an asyncio (or uvloop) event loop whose sessions are served by the worker's own epoll.

Theory. With asyncio's own loop the worker's epoll *is* the loop's selector: each select is a turn, so that sessions
cost no Handle and no Future, and busy time is what lies between two waits. uvloop has a wait of its own: there the
worker is a guest. Either way sessions run in the running loop, so they may make tasks; a task that still runs after the
last session is cancelled and awaited.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.guest import Guest
from prefork.backends.host import Host
from prefork.backends.tasks import Tasks
from prefork.backends.turn_selector import TurnSelector
from prefork.backends.turns import Turns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from prefork.app.app import App
    from prefork.app.styles import Style, Support
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether

_LOOPS = ("auto", "asyncio", "uvloop")
_EARLY_S = 0.001
"""uvloop's timers are whole milliseconds from its last wake-up on: by so much one comes too early, and for nothing."""


@dataclass(frozen=True)
class AsyncioOptions:
    """`[backends.asyncio]`."""

    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """`auto`: uvloop where it is installed."""

    def __post_init__(self) -> None:
        if self.loop not in _LOOPS:
            raise ValueError(f"loop {self.loop!r} is not known; there are: {', '.join(_LOOPS)}")
        if self.loop == "uvloop" and _uvloop() is None:
            raise ValueError("loop 'uvloop' is not installed: pip install 'prefork[uvloop]'")


class AsyncioBackend:
    """Sessions in a running asyncio loop, asyncio's own or uvloop."""

    name = "asyncio"
    contract = CONTRACT
    styles: Mapping[Style, Support] = {"session": "native", "coroutine": "native"}
    options = AsyncioOptions

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve `app` until the worker is done."""
        assert isinstance(options, AsyncioOptions)
        uvloop = None if options.loop == "asyncio" else _uvloop()
        if uvloop is None:
            _on_asyncio(tether, Turns(Host(app, tether), tether, listeners))
        else:
            _on_uvloop(uvloop.new_event_loop(), tether, listeners, app)


def _uvloop() -> Any:  # noqa: ANN401 - a module without types of its own here
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop


def _on_asyncio(tether: Tether, turns: Turns) -> None:
    """Serve with the worker's epoll as the selector of asyncio's own loop."""
    selector = TurnSelector(turns)
    loop = asyncio.SelectorEventLoop(selector)
    done = loop.create_future()

    def start() -> None:
        turns.start()
        selector.serves = True

    def end() -> None:
        if not done.done():
            done.set_result(None)

    selector.done = end

    try:
        _run(loop, _serve(start, done, Tasks(loop, tether), turns.stop))
    finally:
        turns.close()


def _on_uvloop(loop: asyncio.AbstractEventLoop, tether: Tether, listeners: Sequence[socket.socket], app: App) -> None:
    """Serve as a guest of uvloop."""
    visit = _Visit(loop, tether, listeners, app)
    try:
        _run(loop, _serve(visit.start, visit.done, Tasks(loop, tether), visit.stop))
    finally:
        visit.guest.close()


class _Visit:
    """A guest's turns on an asyncio loop that has a selector of its own."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, tether: Tether, listeners: Sequence[socket.socket], app: App
    ) -> None:
        self.guest = Guest(tether, listeners, app, lambda: loop.call_soon(self._turn))
        self.done = loop.create_future()
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def start(self) -> None:
        """Take turns from now on."""
        self.guest.start()
        self._loop.add_reader(self.guest.fileno(), self._turn)
        self._loop.call_soon(self._turn)  # not here, in a task: what a turn runs may be tasks

    def stop(self) -> None:
        """Take no more turns: until then, while tasks end, the worker beats."""
        self._end()
        self.guest.stop()

    def _turn(self) -> None:
        """An exception (SystemExit, of the user's code) is for `run`, whatever the loop makes of those of callbacks."""
        if self._over:
            return
        guest = self.guest
        try:
            guest.turn()
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self._end()
            self.done.set_exception(_Ended(error))
            return
        if self._timer is not None:
            self._timer.cancel()
        patience = guest.patience()
        self._timer = self._loop.call_later(patience + _EARLY_S if patience else 0, self._turn)
        if guest.is_done and not self.done.done():
            self.done.set_result(None)

    def _end(self) -> None:
        self._over = True
        self._loop.remove_reader(self.guest.fileno())


class _Ended(Exception):  # noqa: N818 - no error
    """What left a turn: a future takes no SystemExit."""

    def __init__(self, why: BaseException) -> None:
        super().__init__(why)
        self.why = why


async def _serve(start: Callable[[], None], done: asyncio.Future[None], tasks: Tasks, stop: Callable[[], None]) -> None:
    start()
    await done
    await tasks.end()
    stop()


def _run(loop: asyncio.AbstractEventLoop, serving: Coroutine[Any, Any, None]) -> None:
    """Run the loop until `serving` is over, and close it."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(serving)
    except _Ended as ended:
        raise ended.why from None
    finally:
        serving.close()
        loop.close()


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `asyncio`."""
    return [AsyncioBackend()]
