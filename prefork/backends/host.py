"""What the links of one loop share: the app, the tether, the timers, the links to flush, the inbox. Sans-IO.

A loop calls `start` before READY, `turn` once a turn (after its events), `stop` after the last session.

Theory. A loop's objects belong to its thread. Whoever is in another one posts: the call waits in the inbox, and the
loop, woken, makes it in its next turn.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from prefork.app.worker import Server, Worker
from prefork.backends.offload import OffloadThreads
from prefork.backends.preface import address
from prefork.backends.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.app.app import App
    from prefork.backends.door import Held
    from prefork.backends.gate import Gate
    from prefork.backends.tether import WorkerSettings
    from prefork.tls import ServerTls

_log = logging.getLogger("prefork.worker")

LEAVING = (SystemExit, KeyboardInterrupt)
"""What leaves the loop, whose code ever raises it; anything else is the affair of the code that raised it."""


class Tie(Protocol):
    """What a host asks of its tether."""

    @property
    def settings(self) -> WorkerSettings:
        """What the worker was told of itself."""

    @property
    def gate(self) -> Gate:
        """The worker's gate."""

    @property
    def drain_by(self) -> int:
        """Monotonic ns at which sessions are aborted."""

    def session_failed(self) -> None:
        """An exception of the user's code ended a session."""

    def session_closed(self) -> None:
        """A session is over."""

    def request(self, act: str, owner: str) -> None:
        """Ask the master."""

    def wake(self) -> None:
        """Make the loop turn; from any thread, at any time."""


class Dirty(Protocol):
    """What has something to do behind what happens now: a link with output or an ending."""

    def flush(self) -> None:
        """Do it."""


class Host:
    """One loop's."""

    __slots__ = ("app", "dirty", "inbox", "offloads", "server", "tether", "timers", "worker")

    def __init__(self, app: App, tether: Tie, timers: Timers | None = None, dirty: list[Dirty] | None = None) -> None:
        """`timers` and `dirty`: where a loop has its own kind of them."""
        self.app = app
        self.tether = tether
        self.timers = Timers() if timers is None else timers
        self.offloads = OffloadThreads()
        self.inbox: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        """Calls to make in the next turn; threads only append."""
        self.dirty: list[Dirty] = [] if dirty is None else dirty
        """Links with something to send, and endings to carry out. The loop doesn't wait while there are any."""
        self.worker = TiedWorker(tether)
        self.server = TiedServer(tether)

    def start(self) -> None:
        """Call the app's `started`. Raises what it raises: then this worker can't serve."""
        if self.app.started is not None:
            self.app.started(self.worker)

    def stop(self) -> None:
        """Call the app's `stopping`, after the last session; its exception is logged, for the worker ends anyway."""
        if self.app.stopping is not None:
            try:
                self.app.stopping(self.worker)
            except LEAVING:
                raise
            except BaseException as error:  # noqa: BLE001 - the user's code
                _log.exception("stopping() raised %s: %s", type(error).__name__, error)

    def post(self, fn: Callable[..., object], *args: Any) -> None:  # noqa: ANN401 - any call
        """Have `fn(*args)` called on the loop, soon; from any thread."""
        self.inbox.append((fn, args))
        self.tether.wake()

    def admits(self, peer: object, listener: object) -> bool:
        """Ask the app whether the peer may have a session; names as socket's. An exception refuses, and is logged."""
        if self.app.admit is None:
            return True
        who = address(peer)
        try:
            return bool(self.app.admit(who, address(listener)))
        except LEAVING:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code
            self.tether.session_failed()
            _log.exception("admit() of %s raised %s: %s", who, type(error).__name__, error)
            return False

    def tls_of(self, listener: object) -> ServerTls | None:
        """What is spoken at the listener of that name, as socket's, before there is a session; None: nothing is."""
        return self.tether.settings.tls.get(listener)

    def turn(self, now: int) -> None:
        """Do what is due: calls of sessions, calls of other threads, output and endings."""
        if self.timers.next_at <= now:
            self.timers.fire(now)
        if self.inbox:
            self._take_in()
        if self.dirty:
            self.flush()

    def _take_in(self) -> None:
        for _ in range(len(self.inbox)):
            fn, args = self.inbox.popleft()
            fn(*args)

    def flush(self) -> None:
        """Flush the links that are dirty now; what becomes dirty meanwhile waits for the next time."""
        batch = self.dirty[:]
        self.dirty.clear()
        for link in batch:
            link.flush()

    def drain(self, held: Iterable[Held], now: int) -> None:
        """Tell `held` that the worker drains: what is idle closes."""
        seconds_left = max(0.0, (self.tether.drain_by - now) / 1e9)
        for each in held:
            each.drain(now, seconds_left)
        self.flush()


class TiedWorker(Worker):
    """A worker on its tether: what the app asks for is a request to the master."""

    __slots__ = ("_tether",)

    def __init__(self, tether: Tie) -> None:
        self._tether = tether

    def __repr__(self) -> str:
        return f"worker {self.id} of {self.name}"

    @property
    def id(self) -> int:
        """Its number."""
        return self._tether.settings.worker

    @property
    def name(self) -> str:
        """The pool's."""
        return self._tether.settings.name

    @property
    def sessions(self) -> int:
        """How many it holds."""
        return self._tether.gate.sessions

    def drain(self) -> None:
        """Ask for a drain of this worker."""
        self._tether.request("drain", "app")

    def pause(self) -> None:
        """Ask for a pause of this worker."""
        self._tether.request("pause", "app")

    def resume(self) -> None:
        """Ask for the end of the app's pause."""
        self._tether.request("resume", "app")


class TiedServer(Server):
    """The pool behind a tether."""

    __slots__ = ("_tether",)

    def __init__(self, tether: Tie) -> None:
        self._tether = tether

    @property
    def name(self) -> str:
        """The pool's."""
        return self._tether.settings.name

    def stop(self) -> None:
        """Ask for the stop of the pool."""
        self._tether.request("stop", "app")
