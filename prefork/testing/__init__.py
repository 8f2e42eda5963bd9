"""For tests of a server: a real pool on a free port, from one line.

    with prefork.testing.running(Echo, pool=PoolConfig(max_sessions=1)) as pool:
        socket.create_connection(pool.address)
        pool.wait_for(lambda view: len(view.workers) == 3)

Loaded when first used: pytest imports this package, for the fixture, in every project where prefork is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.testing.live import LivePool as LivePool
    from prefork.testing.live import running as running

__all__ = ["LivePool", "running"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'prefork.testing' has no attribute {name!r}; it has {', '.join(__all__)}")
    from prefork.testing import live  # noqa: PLC0415

    value: object = getattr(live, name)
    return value
