"""Echo servers as one writes them without prefork: `python -m bench.peers KIND PORT WORKERS`.

Several workers are forked after the socket listens, and accept on it side by side, as the C program's do.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import socketserver
import sys
from functools import partial
from typing import TYPE_CHECKING

from prefork.mold.linux import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 65536
BACKLOG = 4096
ACCEPTS = 8
"""At most so many connections are accepted before others are looked at."""


def epoll_loop(listener: socket.socket) -> None:
    """The least that a Python loop does: read, write, and what they may answer. A slow reader is cut off."""
    listener.setblocking(False)
    epoll, served = select.epoll(), dict[int, socket.socket]()
    epoll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                for connection in _accepted(listener):
                    served[connection.fileno()] = connection
                    epoll.register(connection, select.EPOLLIN)
                continue
            connection = served[fd]
            try:
                got = connection.recv(READ_BYTES)
                if got and connection.send(got) == len(got):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            del served[fd]
            connection.close()


def _accepted(listener: socket.socket) -> list[socket.socket]:
    found = []
    for _ in range(ACCEPTS):
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            break
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.append(connection)
    return found


def on_asyncio(kind: str, listener: socket.socket) -> None:
    """A Protocol, or a handler of streams, on asyncio's own loop."""
    asyncio.run(_serve(kind, listener))


def on_uvloop(kind: str, listener: socket.socket) -> None:
    """The same on uvloop's."""
    import uvloop  # noqa: PLC0415 - for who asks for it

    uvloop.run(_serve(kind, listener))


async def _serve(kind: str, listener: socket.socket) -> None:
    from bench.asyncio_apps import Echo, echo_stream  # noqa: PLC0415 - it changes asyncio's reads

    if kind == "streams":
        server = await asyncio.start_server(echo_stream, sock=listener, backlog=BACKLOG)
    else:
        server = await asyncio.get_running_loop().create_server(Echo, sock=listener, backlog=BACKLOG)
    await server.serve_forever()


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while got := self.request.recv(READ_BYTES):
            self.request.sendall(got)


class _Threading(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True


def threading_mixin(listener: socket.socket) -> None:
    """A thread a connection."""
    server = _Threading(("127.0.0.1", 0), _Echo, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()


def on_gevent(listener: socket.socket) -> None:
    """A greenlet a connection."""
    import gevent.server  # noqa: PLC0415 - for who asks for it
    import gevent.socket  # noqa: PLC0415

    def echo(connection: socket.socket, _peer: object) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while got := connection.recv(READ_BYTES):
            connection.sendall(got)

    own = gevent.socket.socket(fileno=os.dup(listener.fileno()))
    gevent.server.StreamServer(own, echo).serve_forever()


def on_twisted(listener: socket.socket) -> None:
    """A Protocol on Twisted's epoll reactor."""
    from twisted.internet import epollreactor  # noqa: PLC0415 - for who asks for it

    epollreactor.install()
    from twisted.internet import reactor  # noqa: PLC0415
    from twisted.internet.protocol import Factory, Protocol  # noqa: PLC0415

    class Echo(Protocol):  # type: ignore[misc]
        def connectionMade(self) -> None:  # noqa: N802 - Twisted's word
            self.transport.setTcpNoDelay(True)

        def dataReceived(self, data: bytes) -> None:  # noqa: N802
            self.transport.write(data)

    listener.setblocking(False)
    reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, Factory.forProtocol(Echo))
    reactor.run()


KINDS: dict[str, Callable[[socket.socket], None]] = {
    "epoll": epoll_loop,
    "asyncio": partial(on_asyncio, "protocol"),
    "asyncio-streams": partial(on_asyncio, "streams"),
    "uvloop": partial(on_uvloop, "protocol"),
    "uvloop-streams": partial(on_uvloop, "streams"),
    "threading": threading_mixin,
    "gevent": on_gevent,
    "twisted": on_twisted,
}


def main(kind: str, port: str, workers: str) -> None:
    """Listen, fork where several workers are asked for, serve."""
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=BACKLOG)
    if int(workers) == 1:
        KINDS[kind](listener)
        return
    for _ in range(int(workers)):
        if not os.fork():
            die_with_parent(signal.SIGKILL)
            KINDS[kind](listener)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
