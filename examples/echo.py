"""Echo lines: `prefork serve examples/echo.py:Echo --listen tcp://127.0.0.1:10000`, then `nc 127.0.0.1 10000`."""

from prefork import Lines, Session


class Echo(Session[str]):
    framer = Lines

    def opened(self) -> None:
        self.send("welcome")

    def received(self, line: str, /) -> None:
        self.send(line)
        if line == "quit":
            self.close()
