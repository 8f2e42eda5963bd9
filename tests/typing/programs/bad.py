"""Wrong programs: both checkers must find each marked line."""

from prefork import App, Lines, Session, Stream


class SendsBytes(Session[str]):
    framer = Lines

    def received(self, line: str, /) -> None:
        self.send(b"bytes")  # error
        self.send(line.encode())  # error
        self.conn.send(line)  # error


class TakesNumbers(Session[str]):
    framer = Lines

    def received(self, line: int, /) -> None: ...  # error


class WrongFramer(Session[str]):
    framer = Stream  # error


class WrongFramerValue(Session[bytes]):
    framer = Lines(limit=10)  # error


class NoFramer(Session[str]):
    framer = str  # error


class Base(Session[str]): ...


class WrongCallbacks(Session[bytes]):
    framer = Stream

    def draining(self) -> None: ...  # error

    def closed(self) -> None: ...  # error


def not_a_session() -> int:
    return 1


App(not_a_session)  # error
App(Base, framer=Stream)  # error
App(Base, style="callbacks")  # error
Lines(limit="64")  # error
