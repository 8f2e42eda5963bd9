"""The loop named `threads`: a thread a session, so that its callbacks may block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.app.blocking import BLOCKING
from prefork.backends.blocking import BlockingTurns, adopt_blocking
from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.crew import CrewOptions, CrewTurns, Threads
from prefork.backends.host import Host
from prefork.backends.seat import SeatTurns

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from prefork.app.app import App
    from prefork.app.styles import Style, Support
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether


class ThreadsBackend:
    """A thread a session: callbacks may block."""

    name = "threads"
    contract = CONTRACT
    styles: Mapping[Style, Support] = {
        "session": "native",
        "coroutine": "native",
        "streams": "bridged",
        "socket": "native",
        "wsgi": "native",
    }
    options = CrewOptions

    def adopt(self, app: App, _options: object, /) -> None:
        """In the mold: import what an app of this style needs. Raises ConfigError where that isn't there."""
        adopt_blocking(app)

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve `app` until the worker is done."""
        assert isinstance(options, CrewOptions)
        tether.gate.hold_at_most(options.max_threads)
        _turns(app)(Host(app, tether), tether, listeners, Threads()).run()


def _turns(app: App) -> type[CrewTurns]:
    """How an app of this style is served."""
    if app.style in BLOCKING:
        return BlockingTurns
    if app.style == "streams":
        from prefork.backends.stream_seat import StreamTurns  # noqa: PLC0415 - asyncio is for who uses it

        return StreamTurns
    return SeatTurns


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `threads`."""
    return [ThreadsBackend()]
