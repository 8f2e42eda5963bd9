"""Who holds sessions that transports carry: turns that accept, beat and obey, and leave the bytes to their loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from prefork.backends.turns import Turns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from prefork.app.app import App
    from prefork.backends.host import Host
    from prefork.backends.tether import Tether
    from prefork.backends.transports import Carried
    from prefork.tls import ServerTls


class Carrier(Protocol):
    """Who holds a session, and what a session says to it."""

    @property
    def app(self) -> App:
        """What is served."""

    def tls_of(self, listener: object, /) -> ServerTls | None:
        """What is spoken at the listener of that name, as socket's; None: nothing is."""

    @property
    def leaves_after(self) -> float:
        """Seconds after which a session leaves its tasks behind, that were cancelled at the deadline and don't end."""

    def failed(self) -> None:
        """Code of the user's raised."""

    def turned_away(self) -> None:
        """One is gone before it was a session."""

    def over(self, session: Carried, /) -> None:
        """Nothing of the session is left."""


class CarryingTurns(Turns):
    """Turns that accept, beat and obey; connections are carried by the loop that they are part of."""

    def __init__(
        self, host: Host, tether: Tether, listeners: Sequence[socket.socket], kind: Callable[..., Carried]
    ) -> None:
        """`kind`: makes who is held, of what `welcome` is given and these turns."""
        super().__init__(host, tether, listeners)
        self.tether = tether
        self._kind = kind

    def welcome(self, connection: socket.SocketType, peer: object, listener: object, /) -> Carried:
        """Have the connection carried."""
        return self._kind(self, connection, peer, listener)

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        """There are no links in this epoll."""
        for fd, _ in events:
            if fd in self._others:
                self._serve_others(events)
                break

    @property
    def app(self) -> App:
        """The worker's."""
        return self.host.app

    def tls_of(self, listener: object, /) -> ServerTls | None:
        """The worker's."""
        return self.host.tls_of(listener)

    @property
    def leaves_after(self) -> float:
        """A moment: then they are told with the worker's own."""
        return self.tether.moment_left

    def failed(self) -> None:
        """Count it."""
        self.tether.session_failed()

    def turned_away(self) -> None:
        """Count it."""
        self.tether.connection_refused()

    def over(self, session: Carried, /) -> None:
        """Give its place back, in the next turn, which knows what follows of it."""
        self.host.dirty.append(_Ending(self, session))

    def release(self, session: Carried) -> None:
        """Its place is free."""
        if session in self.door.held:
            self.door.held.remove(session)
            self.tether.session_closed()


class _Ending(NamedTuple):
    """What is left to do of a session."""

    turns: CarryingTurns
    session: Carried

    def flush(self) -> None:
        """Do it."""
        self.turns.release(self.session)
