"""While the file that HANG_IF names exists, a birth hangs where HANG_IN says, and makes a file with `.hangs` behind it.

HANG_IN is `mold`, `intermediate` or `worker`.
"""

from __future__ import annotations

import os
import signal
import sys

from prefork import Lines, Session

_depth = 0


def _hang(where: str) -> None:
    if os.environ.get("HANG_IN") == where and os.path.exists(os.environ["HANG_IF"]):
        os.close(os.open(os.environ["HANG_IF"] + ".hangs", os.O_CREAT))
        while True:
            signal.pause()


def _before() -> None:
    if not _depth:
        _hang("mold")


def _after_in_child() -> None:
    global _depth  # noqa: PLW0603 - a fork hook has no other place to count
    _depth += 1
    _hang("intermediate" if _depth == 1 else "worker")


class Hangs(Session[str]):
    framer = Lines

    def received(self, line: str, /) -> None:
        self.send(line)


if "prefork.mold.mold" in sys.modules:
    os.register_at_fork(before=_before, after_in_child=_after_in_child)
