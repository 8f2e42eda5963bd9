"""A worker of this app says that it goes, and doesn't: what it left to do at exit never ends."""

from __future__ import annotations

import atexit
import threading

from prefork import Lines, Session


class Lingers(Session[str]):
    framer = Lines

    def opened(self) -> None:
        atexit.register(threading.Event().wait)
        self.send("begin")
