"""The loop named `selectors`: one thread that waits on its own epoll."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.host import Host
from prefork.backends.turns import Turns

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
    styles: Mapping[Style, Support] = {"session": "native", "coroutine": "native"}
    options = None

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, _options: object, /) -> None:
        """Serve `app` until the worker is done."""
        Turns(Host(app, tether), tether, listeners).run()


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `selectors`."""
    return [SelectorsBackend()]
