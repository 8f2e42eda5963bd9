"""The apps that integration tests serve. Each is the least that shows its fact."""

from __future__ import annotations

import ctypes
import os
import sys
import time

from prefork import Lines, Session


class Echo(Session[str]):
    """Answers each line with itself; `pid` with the worker's pid; `quit` ends."""

    framer = Lines

    def received(self, line: str, /) -> None:
        if line == "pid":
            self.send(str(os.getpid()))
        elif line == "quit":
            self.close()
        else:
            self.send(line)


class Second(Session[str]):
    """Answers one second after it was opened, then ends."""

    framer = Lines

    def opened(self) -> None:
        self.conn.call_later(1.0, self.answer)

    def answer(self) -> None:
        self.send("done")
        self.close()


class Misbehaving(Session[str]):
    """Does what the line says."""

    framer = Lines

    def received(self, line: str, /) -> None:
        match line:
            case "raise":
                raise ValueError("as told")
            case "exit":
                sys.exit(3)
            case "segv":
                ctypes.string_at(0)
            case "spin":
                while True:
                    pass
            case "block":
                time.sleep(3600)
            case "eat":
                self.eaten = b"x" * (256 << 20)
                self.send("eaten")
            case "forge":
                print('["Request","stop","app"]', flush=True)
                self.send("printed")
            case _:
                self.send(line)
