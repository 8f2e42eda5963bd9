"""`prefork backends`: the loops that `backend = …` may name."""

from __future__ import annotations

from prefork.cli.loops import known_loops


def backends() -> int:
    """List the loops that can run in a worker."""
    known = known_loops()
    width = max(map(len, known))
    print("\n".join(f"{name:{width}}  {distribution}" for name, distribution in known.items()))  # noqa: T201 - the output
    return 0
