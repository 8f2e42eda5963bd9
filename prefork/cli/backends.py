"""`prefork backends`: the loops that `backend = …` may name."""

from __future__ import annotations

from prefork.backends.registry import known_backends
from prefork.cli.loops import describe


def backends() -> int:
    """List the loops that can run in a worker, who provides each, and what is wrong with one; each in a child."""
    print(describe(known_backends()))  # noqa: T201 - the command's output
    return 0
