"""The apps of `test_seed_session_parameters.py`: sessions that reach for their worker, their pool and their peer."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from prefork import App, Lines, Session, WriteLimits

if TYPE_CHECKING:
    from prefork import Address, Worker


class Obliging(Session[str]):
    """Does what the line says to its own worker, or to the pool, and says that it did."""

    framer = Lines

    def received(self, line: str, /) -> None:
        match line:
            case "pid":
                self.send(str(os.getpid()))
                return
            case "drain":
                self.conn.worker.drain()
            case "pause":
                self.conn.worker.pause()
            case "resume":
                self.conn.worker.resume()
            case "stop":
                self.conn.server.stop()
        self.send(line)


class Flooding(Session[str]):
    """`flood` sends eight mebibytes at once; `told` says what became of the writing of this worker's other sessions."""

    framer = Lines
    told: list[str] = []  # noqa: RUF012 - one for the whole worker

    def received(self, line: str, /) -> None:
        if line == "flood":
            for _ in range(8):
                self.send("x" * (2**20 - 1))
        else:
            self.send(" ".join(self.told))

    def pause_writing(self) -> None:
        self.told.append("pause_writing")

    def resume_writing(self) -> None:
        self.told.append("resume_writing")

    def closed(self, exc: BaseException | None, /) -> None:
        if exc is not None:
            self.told.append(type(exc).__name__)


class Drowning(Flooding):
    """Goes on sending, whatever waits."""

    write_limits = WriteLimits(high=1024, low=512, hard=2**20)

    def received(self, line: str, /) -> None:
        super().received(line)
        if line == "flood":
            self.conn.call_later(0.005, self.received, line)


class Shielded(Session[str]):
    """Begun by a hook, and thinks in a thread of its own."""

    framer = Lines
    begun = "never"

    def received(self, line: str, /) -> None:
        if line == "think":
            self.conn.offload(_think, self.answer)
        else:
            self.send(self.begun)

    def answer(self, thread: str) -> None:
        self.send("elsewhere" if thread != threading.current_thread().name else "here")


def _think() -> str:
    time.sleep(0.01)  # what blocks goes to a thread
    return threading.current_thread().name


def only_the_first_address(_peer: Address, listener: Address) -> bool:
    return listener.host == "127.0.0.1"


def begin(worker: Worker) -> None:
    Shielded.begun = f"begun in worker {worker.id}"


def end(worker: Worker) -> None:
    sys.stderr.write(f"stopping worker {worker.id}\n")  # one write, where print may make two


def fail(_worker: Worker) -> None:
    raise LookupError("no database")


admitting = App(Shielded, admit=only_the_first_address)
hooked = App(Shielded, started=begin, stopping=end)
failing = App(Shielded, started=fail)
