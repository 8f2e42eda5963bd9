"""A worker of this app ends as soon as it is forked: the fork hook runs in the intermediate and in the worker."""

from __future__ import annotations

import os

from prefork import Lines, Session

_forks = 0


def _count() -> None:
    global _forks  # noqa: PLW0603 - a fork hook has no other place to count
    _forks += 1
    if _forks == 2:
        os._exit(7)


def _arm() -> None:
    import sys  # noqa: PLC0415

    if "prefork.mold.mold" in sys.modules:
        os.register_at_fork(after_in_child=_count)


class Dies(Session[str]):
    framer = Lines


_arm()
