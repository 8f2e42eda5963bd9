"""What the benchmarks serve."""

from __future__ import annotations

from prefork import Lines, Session, Stream


class EchoStream(Session[bytes]):
    framer = Stream

    def received(self, chunk: bytes, /) -> None:
        self.send(chunk)


class EchoLines(Session[str]):
    framer = Lines

    def received(self, line: str, /) -> None:
        self.send(line)


class OneSecond(Session[str]):
    """A request that takes a second: the answer comes by itself."""

    framer = Lines

    def opened(self) -> None:
        self.conn.call_later(1.0, self.answer)

    def answer(self) -> None:
        self.send("done")
        self.close()
