"""The loop named `asyncio`: an asyncio (or uvloop) event loop whose sessions are served by the worker's own epoll.

Theory. With asyncio's own loop the worker's epoll *is* the loop's selector: each select is a turn, so that sessions
cost no Handle and no Future, and busy time is what lies between two waits. uvloop has a wait of its own: there the
worker is a guest. Either way sessions run in the running loop, so they may make tasks; a task that still runs after the
last session is cancelled and awaited.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from prefork.backends.blocking import adopt_blocking
from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.crew import CrewOptions
from prefork.backends.guest import Guest
from prefork.backends.host import Host
from prefork.backends.service import BridgedService, CarryingService, Service
from prefork.backends.tasks import Tasks
from prefork.backends.turn_selector import TurnSelector
from prefork.errors import ConfigError

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Mapping, Sequence

    from prefork.app.app import App
    from prefork.app.styles import Style, Support
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether
    from prefork.backends.turns import Turns

_LOOPS = ("auto", "asyncio", "uvloop")
_EARLY_S = 0.001
"""uvloop's timers are whole milliseconds from its last wake-up on: by so much one comes too early, and for nothing."""


@dataclass(frozen=True)
class AsyncioOptions(CrewOptions):
    """`[backends.asyncio]`."""

    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """`auto`: uvloop where it is installed."""
    uvicorn: dict[str, Any] = field(default_factory=dict)
    """For ASGI apps: settings of uvicorn's, by their names in `uvicorn.Config`, but for those that are the pool's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loop not in _LOOPS:
            raise ValueError(f"loop {self.loop!r} is not known; there are: {', '.join(_LOOPS)}")
        if self.loop == "uvloop" and _uvloop() is None:
            raise ValueError("loop 'uvloop' is not installed: pip install 'prefork[uvloop]'")
        if self.uvicorn:
            from prefork.backends.uvicorn_settings import check_settings  # noqa: PLC0415 - for who uses it

            try:
                check_settings(self.uvicorn)
            except ValueError as error:
                raise ConfigError(f"[backends.asyncio] {error}") from None


class AsyncioBackend:
    """Sessions in a running asyncio loop, asyncio's own or uvloop."""

    name = "asyncio"
    contract = CONTRACT
    styles: Mapping[Style, Support] = {
        "session": "native",
        "coroutine": "native",
        "streams": "native",
        "protocol": "native",
        "socket": "bridged",
        "asgi": "native",
        "wsgi": "bridged",
    }
    options = AsyncioOptions

    def adopt(self, app: App, options: object, /) -> None:
        """In the mold: import what an app of this style needs. Raises ConfigError where that isn't there."""
        assert isinstance(options, AsyncioOptions)
        adopt_blocking(app)
        if app.style == "asgi":
            import prefork.backends.asgi  # noqa: F401, PLC0415 - now, so that workers share its memory
            from prefork.backends.uvicorn_settings import configure, tell_what_is_missing  # noqa: PLC0415 - uvicorn is for who uses it

            tell_what_is_missing(configure(app.handler, options.uvicorn))

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve `app` until the worker is done."""
        assert isinstance(options, AsyncioOptions)
        uvloop = None if options.loop == "asyncio" else _uvloop()
        service = _service(app, options, tether)
        if uvloop is None:
            _on_asyncio(tether, service.turns(Host(app, tether), tether, listeners), service)
        else:
            _on_uvloop(uvloop.new_event_loop(), tether, listeners, app, service)


def _uvloop() -> Any:  # noqa: ANN401 - a module without types of its own here
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop


def _service(app: App, options: AsyncioOptions, tether: Tether) -> Service:
    """How an app of this style is served; what one style alone needs is imported for that one."""
    match app.style:
        case "protocol":
            from prefork.backends.protocols import ProtocolSession  # noqa: PLC0415

            return CarryingService(ProtocolSession)
        case "streams":
            from prefork.backends.streams import StreamSession  # noqa: PLC0415

            return CarryingService(StreamSession)
        case "asgi":
            from prefork.backends.asgi import AsgiService  # noqa: PLC0415

            return AsgiService(app.handler, options.uvicorn, tether)
        case "socket" | "wsgi":
            return BridgedService(options)
        case _:
            return Service()


def _on_asyncio(tether: Tether, turns: Turns, service: Service) -> None:
    """Serve with the worker's epoll as the selector of asyncio's own loop."""
    selection = _Selection(turns)
    loop = asyncio.SelectorEventLoop(selection.selector)
    selection.done = loop.create_future()
    try:
        _run(loop, _serve(selection, service, Tasks(loop, tether, traced=not service.carries)))
    finally:
        turns.close()


class _Selection:
    """The turns of a selector."""

    done: asyncio.Future[None]

    def __init__(self, turns: Turns) -> None:
        self.selector = TurnSelector(turns)
        self.selector.done = self._done
        self._turns = turns

    def start(self) -> None:
        """Each select ends a turn from now on, and begins another: this is the first."""
        self._turns.start()
        self._turns.began([])
        self.selector.serves = True

    def stop(self) -> None:
        """Tell the app."""
        self._turns.stop()

    def leave(self) -> None:
        """Nothing hangs on it."""

    def exit(self, why: BaseException) -> None:
        """Have `run` raise `why`."""
        if not self.done.done():
            self.done.set_exception(_Ended(why))

    def _done(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _on_uvloop(
    loop: asyncio.AbstractEventLoop, tether: Tether, listeners: Sequence[socket.socket], app: App, service: Service
) -> None:
    """Serve as a guest of uvloop."""
    visit = _Visit(loop, tether, service)
    visit.guest = guest = Guest(tether, listeners, app, visit.stir, service.turns)
    try:
        _run(loop, _serve(visit, service, Tasks(loop, tether, traced=not service.carries)))
    finally:
        guest.close()


class _Visit:
    """A guest's turns on an asyncio loop that has a selector of its own."""

    guest: Guest

    def __init__(self, loop: asyncio.AbstractEventLoop, tether: Tether, service: Service) -> None:
        self.done = loop.create_future()
        self._loop = loop
        self._tether = tether
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._carries = service.carries
        self._born_ns = time.thread_time_ns()

    def start(self) -> None:
        """Take turns from now on."""
        self.guest.start()
        self._loop.add_reader(self.guest.fileno(), self._turn)
        self._loop.call_soon(self._turn)  # not here, in a task: what a turn runs may be tasks

    def stir(self) -> None:
        """A turn is wanted."""
        if not self._over:
            self._loop.call_soon(self._turn)

    def stop(self) -> None:
        """Take no more turns: until then, while tasks end, the worker beats."""
        self.leave()
        self.guest.stop()

    def _turn(self) -> None:
        """An exception (SystemExit, of the user's code) is for `run`, whatever the loop makes of those of callbacks."""
        if self._over:
            return
        guest = self.guest
        try:
            if self._carries:  # transports are served outside of turns, which is known by the CPU they took
                self._tether.busy_at_least(time.thread_time_ns() - self._born_ns)
            guest.turn()
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self.exit(error)
            return
        if self._timer is not None:
            self._timer.cancel()
        patience = guest.patience()
        self._timer = self._loop.call_later(patience + _EARLY_S if patience else 0, self._turn)
        if guest.is_done and not self.done.done():
            self.done.set_result(None)

    def exit(self, why: BaseException) -> None:
        """Have `run` raise `why`."""
        self.leave()
        if not self.done.done():
            self.done.set_exception(_Ended(why))

    def leave(self) -> None:
        """No turn is taken any more; said again it changes nothing."""
        if not self._over:
            self._over = True
            self._loop.remove_reader(self.guest.fileno())


class _Ended(Exception):  # noqa: N818 - no error
    """What left a turn: a future takes no SystemExit."""

    def __init__(self, why: BaseException) -> None:
        super().__init__(why)
        self.why = why


async def _serve(worker: _Selection | _Visit, service: Service, tasks: Tasks) -> None:
    try:
        await service.begin(worker.exit)
        worker.start()
        await worker.done
        await service.end()
        await tasks.end()
        worker.stop()
    finally:  # an exit, too: what is closed with the loop may still say so
        worker.leave()


def _run(loop: asyncio.AbstractEventLoop, serving: Coroutine[Any, Any, None]) -> None:
    """Run the loop until `serving` is over, and close it. An exit leaves it as it is: the process ends anyway.

    uvloop would close each transport with a warning, and, where warnings are errors, never come to an end of it.
    """
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
