"""`prefork backends`: the loops that `backend = …` may name."""

from __future__ import annotations

from prefork.backends.registry import known_backends


def backends() -> int:
    """List the loops that can run in a worker, and who provides each; none of them is imported."""
    known = known_backends()
    width = max(len(each.name) for each in known)
    print("\n".join(f"{each.name:{width}}  {each.distribution}" for each in known))  # noqa: T201 - the command's output
    return 0
