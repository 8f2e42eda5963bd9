"""What runs in the worker: a session that does what a line says, and tells its life in notes.

A note is a line in a pipe that the test reads; a latch is a byte that the test gives, for what shall block.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import sys
import threading
from collections import Counter
from dataclasses import dataclass

from prefork.app.framing import Lines, Stream
from prefork.app.session import Hold, Session


@dataclass
class Inside:
    """The child's ends."""

    notes: int = -1
    latch: int = -1


INSIDE = Inside()
HELD: list[Hold] = []


def note(text: str) -> None:
    """Tell the test."""
    os.write(INSIDE.notes, f"{text}\n".encode())


def block() -> None:
    """Do nothing, and let nothing else be done in this thread, until `Worker.unlatch`."""
    note("blocked")
    os.read(INSIDE.latch, 1)


def is_main() -> bool:
    """Whether this is the thread that `run` was called in."""
    return threading.current_thread() is threading.main_thread()


class Scripted(Session[str]):
    """Does what a line says; tells its life in notes."""

    framer = Lines(limit=200)

    def opened(self) -> None:
        note(f"opened {self.conn.listener}")

    def received(self, line: str, /) -> None:
        word, _, rest = line.partition(" ")
        getattr(self, f"do_{word}")(rest)

    def eof(self) -> None:
        note("eof")
        super().eof()

    def draining(self, seconds_left: float, /) -> None:
        note(f"draining {seconds_left:.0f}")

    def closed(self, exc: BaseException | None, /) -> None:
        note(f"closed {type(exc).__name__}")

    # -- endings -------------------------------------------------------------------------------------------------------

    def do_close(self, _rest: str) -> None:
        self.send("bye")
        self.close()
        self.send("never sent")

    def do_abort(self, _rest: str) -> None:
        self.conn.abort()

    def do_raise(self, rest: str) -> None:
        self.send("last words")
        raise ValueError(rest)

    def do_exit(self, rest: str) -> None:
        sys.exit(int(rest))

    def do_eof(self, rest: str) -> None:
        self.send(rest)
        self.conn.send_eof()

    # -- answers -------------------------------------------------------------------------------------------------------

    def do_echo(self, rest: str) -> None:
        self.send(rest)

    def do_pour(self, rest: str) -> None:
        for number in range(int(rest)):
            self.send(f"{number:01000}")

    def do_names(self, _rest: str) -> None:
        self.send(f"{self.conn.peer} {self.conn.local} {self.conn.listener}")

    def do_tls(self, _rest: str) -> None:
        self.send(json.dumps(self.conn.tls._asdict() | {"peer_der": None} if self.conn.tls else None))

    def do_who(self, _rest: str) -> None:
        worker, server = self.conn.worker, self.conn.server
        self.send(f"{worker.id} {worker.name} {worker.sessions} {server.name}")

    def do_nodelay(self, _rest: str) -> None:
        self.send(str(_nodelay((self.conn.peer.host, self.conn.peer.port))))

    def do_objects(self, _rest: str) -> None:
        gc.collect()
        self.send(
            json.dumps(Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects()))
        )

    # -- waiting -------------------------------------------------------------------------------------------------------

    def do_block(self, _rest: str) -> None:
        block()

    def do_later(self, rest: str) -> None:
        seconds, _, text = rest.partition(" ")
        self.conn.call_later(float(seconds), self.received, text)

    def do_cancel(self, _rest: str) -> None:
        self.conn.call_later(0, self.send, "cancelled").cancel()
        self.conn.call_later(0, self.send, "made")

    def do_hold(self, _rest: str) -> None:
        HELD.append(self.conn.hold())
        self.send("held")

    def do_release(self, _rest: str) -> None:
        """Let go what other sessions hold."""
        while HELD:
            HELD.pop().release()

    def do_offload(self, rest: str) -> None:
        self.conn.offload(lambda: f"{rest} {is_main()}", self.send)

    def do_offload_then(self, _rest: str) -> None:
        me = threading.current_thread()
        self.conn.offload(lambda: None, lambda _: self.send(str(threading.current_thread() is me)))

    def do_offload_then_exit(self, rest: str) -> None:
        self.conn.offload(lambda: rest, self.do_exit)

    def do_offload_raise(self, rest: str) -> None:
        def fail() -> None:
            raise ValueError(rest)

        self.conn.offload(fail)

    def do_offload_exit(self, _rest: str) -> None:
        self.conn.offload(lambda: sys.exit(3))

    def do_offload_latch(self, rest: str) -> None:
        self.conn.offload(block, lambda _: self.send(rest))

    # -- input ---------------------------------------------------------------------------------------------------------

    def do_pause(self, rest: str) -> None:
        self.send("paused")
        self.conn.pause_reading()
        if rest:
            self.conn.call_later(float(rest), self.conn.resume_reading)

    def do_stream(self, _rest: str) -> None:
        self.conn.set_framer(Stream(limit=5))
        self.received = self.chunk  # type: ignore[method-assign,assignment]

    def chunk(self, chunk: bytes) -> None:
        """Received in place of lines, until there is a chunk `lines`."""
        self.conn.send(chunk + b"|")
        if chunk == b"lines":
            self.conn.set_framer(Lines)
            del self.received

    def do_later_stream(self, rest: str) -> None:
        self.conn.pause_reading()
        self.conn.call_later(0.01, self.do_stream, rest)
        self.conn.call_later(0.02, self.conn.resume_reading)

    # -- requests ------------------------------------------------------------------------------------------------------

    def do_pause_worker(self, _rest: str) -> None:
        self.conn.worker.pause()
        self.conn.worker.resume()

    def do_drain(self, _rest: str) -> None:
        self.conn.worker.drain()

    def do_stop(self, _rest: str) -> None:
        self.conn.server.stop()


def _nodelay(peer: tuple[str, int | None]) -> bool:
    """Whether this process's socket that is connected to `peer` is TCP_NODELAY. Raises LookupError without one."""
    for fd in _open_sockets():
        with socket.socket(fileno=os.dup(int(fd))) as copy, contextlib.suppress(OSError):
            if copy.getpeername() == peer:
                return bool(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    raise LookupError(f"no socket is connected to {peer}")


def _open_sockets() -> list[str]:
    folder = "/proc/self/fd"
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # the listing's own descriptor
            if os.readlink(f"{folder}/{name}").startswith("socket:"):
                found.append(name)
    return found
