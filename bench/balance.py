"""How evenly four workers share connections that are held: most/mean of 400, one each 2 ms, on each loop.

`python -m bench.balance`: a line a loop, the figure of each run and its median.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import time
from contextlib import ExitStack
from typing import Any

from bench.apps import EchoStream
from bench.servers import LOOPS
from prefork import PoolConfig, StaticSizing
from prefork.testing import running

WORKERS, SESSIONS, GAP_S = 4, 400, 0.002


def most_over_mean(settings: dict[str, Any]) -> float:
    """One run."""
    pool_config = PoolConfig(sizing=StaticSizing(workers=WORKERS))
    with running(EchoStream, pool=pool_config, **settings) as pool, ExitStack() as held:
        begun = time.monotonic()
        for number in range(SESSIONS):
            time.sleep(max(0.0, begun + number * GAP_S - time.monotonic()))
            held.enter_context(socket.create_connection(pool.address, timeout=10))
        view = pool.wait_for(lambda view: sum(each.sessions for each in view.workers) == SESSIONS)
        return max(each.sessions for each in view.workers) / (SESSIONS / WORKERS)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    for name in ("selectors", "asyncio", "uvloop", "threads"):
        figures = [most_over_mean(LOOPS[name]) for _ in range(runs)]
        print(f"{name:10} {statistics.median(figures):.2f}   of {' '.join(f'{each:.2f}' for each in figures)}")


if __name__ == "__main__":
    main()
