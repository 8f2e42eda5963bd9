"""The apps of `test_tls.py`."""

from __future__ import annotations

import json
import os
from typing import Any

from prefork import H11, Lines, Request, Response, Session


class Secured(Session[str]):
    """Answers each line with itself; `pid` with the worker's pid; `tls` with what was agreed on; `quit` ends."""

    framer = Lines

    def received(self, line: str, /) -> None:
        tls = self.conn.tls
        match line:
            case "pid":
                self.send(str(os.getpid()))
            case "tls":
                self.send(json.dumps(None if tls is None else [tls.version, tls.alpn, tls.server_name]))
            case "quit":
                self.close()
            case _:
                self.send(line)


class Hello(Session[Any]):
    """A page, over HTTPS."""

    framer = H11

    def received(self, request: Request, /) -> None:
        self.send(Response(200, [("content-type", "text/plain")], f"hello {request.target}\n".encode()))
        if not request.keep_alive:
            self.close()
