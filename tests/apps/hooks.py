"""An app with every hook; a session says which worker it lives in, and gives orders as an app may."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prefork import App, Lines, Session

if TYPE_CHECKING:
    from prefork import Address, Worker

_started: list[str] = []


class Ordering(Session[str]):
    framer = Lines

    def received(self, line: str, /) -> None:
        match line:
            case "started":
                self.send(" ".join(_started))
            case "drain" | "pause" | "resume":
                getattr(self.conn.worker, line)()
                self.send(f"{line} {self.conn.worker.id}")
            case "stop":
                self.conn.server.stop()
            case _:
                self.send(line)


def _start(worker: Worker) -> None:
    _started.append(f"{worker.name} {worker.id} {os.getpid()}")


def _stop(worker: Worker) -> None:
    os.write(2, f"worker {worker.id} holds {worker.sessions} at the end\n".encode())


def _admit(peer: Address, _listener: Address) -> bool:
    return peer.host != "127.0.0.2"


def _fails(_worker: Worker) -> None:
    raise ConnectionRefusedError("the database is down")


hooked = App(Ordering, admit=_admit, started=_start, stopping=_stop)
cannot_start = App(Ordering, started=_fails)
