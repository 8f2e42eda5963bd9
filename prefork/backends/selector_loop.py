"""The loop named `selectors`: one thread that waits on its own epoll."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.backends.blocking import bridged
from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.crew import CrewOptions
from prefork.backends.host import Host

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from prefork.app.app import App
    from prefork.app.styles import Style, Support
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether


class SelectorsBackend:
    """Callbacks on epoll, in one thread: the fastest, and the smallest in memory."""

    name = "selectors"
    contract = CONTRACT
    styles: Mapping[Style, Support] = {"session": "native", "coroutine": "native", "socket": "bridged"}
    options = CrewOptions

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve `app` until the worker is done."""
        assert isinstance(options, CrewOptions)
        bridged(Host(app, tether), tether, listeners, options).run()


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `selectors`."""
    return [SelectorsBackend()]
