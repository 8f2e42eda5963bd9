"""How a worker on an asyncio loop serves its connections: as sessions in its epoll, or carried by transports.

Theory. A *service* is what differs between the styles of app on one loop: the kind of turns that it takes, and what
has to run before the first connection and after the last one.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from prefork.backends.blocking import bridged
from prefork.backends.carrying import CarryingTurns
from prefork.backends.transports import exception_handler
from prefork.backends.turns import Turns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from prefork.backends.crew import CrewOptions
    from prefork.backends.host import Host
    from prefork.backends.tether import Tether
    from prefork.backends.transports import Carried


class Service:
    """Sessions in the worker's own epoll."""

    carries = False
    """By transports of the loop, whose work no turn sees."""

    def turns(self, host: Host, tether: Tether, listeners: Sequence[socket.socket]) -> Turns:
        """The worker's turns."""
        return Turns(host, tether, listeners)

    async def begin(self, leave: Callable[[BaseException], None]) -> None:
        """The loop runs; nobody was accepted. `leave(error)`: end the worker by it.

        Raises what makes this worker unfit to serve.
        """

    async def end(self) -> None:
        """The last session is over."""


class BridgedService(Service):
    """Sessions that may block, each in a thread beside the loop."""

    def __init__(self, options: CrewOptions) -> None:
        self._options = options

    def turns(self, host: Host, tether: Tether, listeners: Sequence[socket.socket]) -> Turns:
        """The worker's turns."""
        return bridged(host, tether, listeners, self._options)


class CarryingService(Service):
    """Sessions that transports carry."""

    carries = True
    _made: CarryingTurns

    def __init__(self, kind: Callable[..., Carried]) -> None:
        """`kind`: of who is held, made of turns and what `Turns.welcome` is given."""
        self._kind = kind

    def turns(self, host: Host, tether: Tether, listeners: Sequence[socket.socket]) -> Turns:
        """The worker's turns."""
        self._made = made = CarryingTurns(host, tether, listeners, self._kind)
        return made

    async def begin(self, leave: Callable[[BaseException], None]) -> None:
        """From now on what goes wrong is known for whose it is."""
        held = self._made.door.held
        asyncio.get_running_loop().set_exception_handler(partial(exception_handler, leave, held))
