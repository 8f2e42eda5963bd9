"""The loop `gevent`: a greenlet a session. prefork's seats do the work; this says who sits there and how to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gevent
import gevent.select
import gevent.socket
from gevent import monkey
from gevent.threadpool import ThreadPool

from prefork.app.blocking import BLOCKING
from prefork.backends.blocking import BlockingTurns, adopt_blocking
from prefork.backends.contract import CONTRACT, hookimpl
from prefork.backends.host import Host
from prefork.backends.offload import Job, OffloadThreads, most_threads, work
from prefork.backends.seat import SeatTurns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from prefork.app.app import App
    from prefork.app.styles import Style, Support
    from prefork.backends.contract import Backend
    from prefork.backends.tether import Tether


@dataclass(frozen=True)
class GeventOptions:
    """`[backends.gevent]`."""

    patch: bool = True
    """Whether the app is imported with gevent's monkey patches in force."""
    max_greenlets: int = 10_000
    """Most sessions of a worker, a greenlet each, where `max_sessions` is 0 or more."""

    def __post_init__(self) -> None:
        if self.max_greenlets < 1:
            raise ValueError(f"max_greenlets {self.max_greenlets}: expected 1 or more")


class Greenlets:
    """A crew of greenlets."""

    def __init__(self) -> None:
        self.blocks = False
        self.ident = gevent.getcurrent
        self.poller = gevent.select.poll

    def hire(self) -> None:
        """A greenlet is always to be had."""

    def blocking(self, connection: socket.SocketType, /) -> socket.socket:
        """The connection as gevent's socket, which lets others run while it waits."""
        family, kind, proto = connection.family, connection.type, connection.proto
        return gevent.socket.socket(family, kind, proto, connection.detach())  # type: ignore[no-any-return]

    def behind(self) -> int:
        """Greenlets begin before the serving loop's next turn."""
        return 0

    def sit(self, live: Callable[[], None], /) -> None:
        """Have `live` called in a greenlet of its own."""
        gevent.spawn(live)


class HubThreads(OffloadThreads):
    """What is offloaded runs in gevent's threads: a patched one would be a greenlet."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPool(most_threads())

    def adopt(self, app: App, _options: object, /) -> None:
        """In the mold: import what an app of this style needs. Raises ConfigError where that isn't there."""
        adopt_blocking(app)

    def run(self, job: Job, post: Callable[..., None]) -> None:
        """Run the job in a real thread."""
        self._threads.spawn(work, job, post)


class GeventBackend:
    """A greenlet a session: callbacks may wait, by gevent's means."""

    name = "gevent"
    contract = CONTRACT
    styles: Mapping[Style, Support] = {
        "session": "native",
        "coroutine": "native",
        "socket": "native",
        "wsgi": "native",
    }
    options = GeventOptions

    def prepare(self, options: object, /) -> None:
        """Patch, before the app is imported."""
        assert isinstance(options, GeventOptions)
        if options.patch:
            monkey.patch_all()

    def adopt(self, app: App, _options: object, /) -> None:
        """In the mold: import what an app of this style needs. Raises ConfigError where that isn't there."""
        adopt_blocking(app)

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve `app` until the worker is done."""
        assert isinstance(options, GeventOptions)
        gevent.reinit()  # a hub doesn't survive a fork
        tether.gate.hold_at_most(options.max_greenlets)
        host = Host(app, tether)
        host.offloads = HubThreads()
        kind = BlockingTurns if app.style in BLOCKING else SeatTurns
        turns = kind(host, tether, listeners, Greenlets())
        try:
            turns.start()
            while not turns.is_done:
                _wait(turns.epoll.fileno(), turns.patience())
                turns.turn(0)
            turns.stop()
        finally:
            turns.close()


def _wait(fd: int, seconds: float) -> None:
    """Let the greenlets run until `fd` is readable, or `seconds` have passed."""
    with gevent.Timeout(seconds, False):
        gevent.socket.wait_read(fd)


@hookimpl
def prefork_backends() -> list[Backend]:
    """Offer `gevent`."""
    return [GeventBackend()]
