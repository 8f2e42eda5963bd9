"""Turns as the guest of a foreign event loop, which knows nothing of them but a descriptor and a time.

    guest = Guest(tether, listeners, app)
    guest.start()
    while not guest.is_done:
        wait until guest.fileno() is readable, for guest.patience() seconds at most
        guest.turn()
    guest.stop()            # and guest.close() in any case

Theory. All that a worker watches stands in one epoll, which is itself a descriptor that is readable when there is
something to do. What the user's code asks for outside of a turn (a send from a task of the foreign loop, say) *stirs*:
`stirred` is called, by default a byte in the worker's own wake-up pipe, so that the descriptor becomes readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.backends.host import Host
from prefork.backends.timers import Timers
from prefork.backends.turns import Turns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from prefork.app.app import App
    from prefork.backends.host import Dirty
    from prefork.backends.tether import Tether
    from prefork.backends.timers import Entry


class Guest:
    """One worker's turns, taken when the foreign loop says so."""

    def __init__(
        self,
        tether: Tether,
        listeners: Sequence[socket.socket],
        app: App,
        stirred: Callable[[], object] | None = None,
        make: Callable[[Host, Tether, Sequence[socket.socket]], Turns] = Turns,
    ) -> None:
        """`stirred`: called on the loop, once between two turns, to ask for a turn soon. `make`: its kind of turns."""
        self._stirred = stirred or tether.wake
        self._awake = False
        """A turn runs, or was asked for."""
        host = Host(app, tether, _StirringTimers(self._stir), _StirringList(self._stir))
        self._turns = make(host, tether, listeners)

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._turns.epoll.fileno()

    @property
    def is_done(self) -> bool:
        """The worker is done; nothing more is to be waited for."""
        return self._turns.is_done

    def start(self) -> None:
        """Accept from now on. Raises what the app's `started` raises."""
        self._turns.start()

    def patience(self) -> float:
        """Seconds after which a turn is wanted even if nothing becomes readable."""
        return self._turns.patience()

    def turn(self) -> None:
        """Serve what there is, without waiting."""
        self._awake = True
        try:
            self._turns.turn(0)
        finally:
            self._awake = False

    def stop(self) -> None:
        """Tell the app that the last session is over."""
        self._turns.stop()

    def close(self) -> None:
        """Close what is open."""
        self._turns.close()

    def _stir(self) -> None:
        if not self._awake:
            self._awake = True
            self._stirred()


class _StirringList(list["Dirty"]):
    """Who wants to be flushed."""

    __slots__ = ("_stir",)

    def __init__(self, stir: Callable[[], None]) -> None:
        super().__init__()
        self._stir = stir

    def append(self, link: Dirty, /) -> None:
        super().append(link)
        self._stir()


class _StirringTimers(Timers):
    """Calls to make later; one that is the next must be waited for anew."""

    __slots__ = ("_stir",)

    def __init__(self, stir: Callable[[], None]) -> None:
        super().__init__()
        self._stir = stir

    def push(self, when: int, entry: Entry) -> None:
        super().push(when, entry)
        if self.next_at == when:
            self._stir()
