"""A worker of this app needs half a second for its boot: the second fork hook to run is the worker's."""

from __future__ import annotations

import os
import sys
import time

from prefork import Lines, Session

_forks = 0


def _dawdle() -> None:
    global _forks  # noqa: PLW0603 - a fork hook has no other place to count
    _forks += 1
    if _forks == 2:
        time.sleep(0.5)


class Slow(Session[str]):
    framer = Lines

    def received(self, line: str, /) -> None:
        self.send(line)


if "prefork.mold.mold" in sys.modules:
    os.register_at_fork(after_in_child=_dawdle)
