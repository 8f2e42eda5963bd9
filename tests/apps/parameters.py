"""The apps of `test_seed_parameters.py`. Each is the least that shows its fact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from prefork import App, Framer, Lines, Session, Stream

if TYPE_CHECKING:
    from prefork import Decoder


class Diary(Session[str]):
    """Writes down its callbacks; `diary` reads that of the first session of this worker that is over."""

    framer = Lines
    first = ""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def opened(self) -> None:
        self.entries.append("opened")

    def received(self, line: str, /) -> None:
        self.entries.append(f"received:{line}")
        if line == "raise":
            raise LookupError(line)
        self.send(Diary.first if line == "diary" else "written")

    def flushed(self) -> None:
        self.entries.append("flushed")

    def closed(self, exc: BaseException | None, /) -> None:
        self.entries.append(f"closed:{type(exc).__name__}")
        Diary.first = Diary.first or " ".join(self.entries)


class Bytes(Session[bytes]):
    """Says how many bytes came."""

    framer = Stream

    def received(self, chunk: bytes, /) -> None:
        self.send(b"%d\n" % len(chunk))


@dataclass(frozen=True, slots=True)
class LinesThenShouts(Framer[str]):
    """Lines in, capitals out: each direction has a form of its own."""

    def decoder(self) -> Decoder[str]:
        return Lines().decoder()

    def encode(self, item: str, /) -> bytes:
        return item.upper().encode() + b"!\n"


class Answers(Session[str]):
    """Answers each line with itself, after what it was made with."""

    def __init__(self, greeting: str = "") -> None:
        self.greeting = greeting

    def received(self, line: str, /) -> None:
        self.send(self.greeting + line)


shouting = App(Answers, framer=LinesThenShouts)
greeting = App(partial(Answers, "hello "), style="session", framer=Lines)


def polite() -> Session[str]:
    """A factory of the user's own."""
    return Answers("please: ")


by_function = App(polite, style="session", framer=Lines)


class Stateful(Session[str]):
    """Its states are its methods, and what it hears names the next one."""

    framer = Lines

    def received(self, line: str, /) -> None:
        self.conn.call_later(0.01, getattr(self, line), "an argument")

    def first(self, argument: str) -> None:
        self.send(f"first, with {argument}")

    def second(self, argument: str) -> None:
        self.send(f"second, with {argument}")
        self.conn.call_later(0.01, self.first, "another")
