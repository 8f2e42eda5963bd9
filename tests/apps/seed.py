"""The apps that the seed's defects and parameters are shown with. Each is the least that shows its fact."""

from __future__ import annotations

import os
import signal
import sys

from prefork import Lines, Session


class Brief(Session[str]):
    """Says `begin` when it is opened, `end PID` a moment later, and ends: the peer needn't say a word."""

    framer = Lines
    seconds = 0.02

    def opened(self) -> None:
        self.send("begin")
        self.conn.call_later(self.seconds, self.end)

    def end(self) -> None:
        self.send(f"end {os.getpid()}")
        self.close()


class Long(Brief):
    """Takes as long as several of the others, so that a drain has to wait."""

    seconds = 0.15


class Leaking(Brief):
    """Each session leaves two mebibytes behind."""

    leaked: list[bytes] = []  # noqa: RUF012 - the leak

    def end(self) -> None:
        self.leaked.append(os.urandom(2**21))
        super().end()


class Hoarding(Session[str]):
    """Answers each line with itself; `hoard` takes 128 MiB first, and answers when it is asked again."""

    framer = Lines

    def received(self, line: str, /) -> None:
        if line == "hoard":
            self.hoard = os.urandom(2**27)
        else:
            self.send(line)


class Counted(Session[str]):
    """Says which worker this is and how many sessions it now holds; ends at the first line."""

    framer = Lines
    held = 0

    def opened(self) -> None:
        Counted.held += 1
        self.send(f"{os.getpid()} {Counted.held}")

    def received(self, _line: str, /) -> None:
        self.close()

    def closed(self, _exc: BaseException | None, /) -> None:
        Counted.held -= 1


class Printing(Session[str]):
    """Prints what it hears, on both streams, and says so."""

    framer = Lines

    def received(self, line: str, /) -> None:
        print(line, flush=True)
        print(line, file=sys.stderr, flush=True)
        self.send("printed")


class Nagging(Session[str]):
    """Is never done, and has its own worker told to go, over and over."""

    framer = Lines

    def opened(self) -> None:
        self.send("begin")
        self.nag()

    def nag(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self.conn.call_later(0.02, self.nag)
