"""What a portable coroutine costs beside the same code as a Session, on each loop, interleaved.

python bench/coroutines.py [--pairs N] [--seconds S] [--mode echo|conn] [--only LOOP …]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from apps import EchoLines, EchoStream
from servers import build, load, prefork

LOOPS: dict[str, dict[str, Any]] = {
    "selectors": {"backend": "selectors"},
    "asyncio": {"backend": "asyncio", "backends": {"asyncio": {"loop": "asyncio"}}},
    "uvloop": {"backend": "asyncio", "backends": {"asyncio": {"loop": "uvloop"}}},
    "threads": {"backend": "threads"},
    "trio": {"backend": "trio"},
    "gevent": {"backend": "gevent"},
}
APPS = (("Stream", EchoStream, "coroutine_stream"), ("Lines", EchoLines, "coroutine_lines"))
CLIENTS = 64


def main() -> None:
    """Measure, print a line for each loop and framer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="interleaved runs of each comparison")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one run")
    parser.add_argument("--mode", choices=("echo", "conn"), default="echo", help="echoes, or connections, a second")
    parser.add_argument("--only", nargs="*", default=list(LOOPS), choices=list(LOOPS))
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        for loop in told.only:
            for framer, session, coroutine in APPS:
                print(
                    f"{loop:10} {framer:7}", compared(Path(folder), told, LOOPS[loop], (session, coroutine)), flush=True
                )


def compared(folder: Path, told: argparse.Namespace, settings: dict[str, Any], apps: tuple[type, str]) -> str:
    """Rates of both, medians of the ratios of their rates and of their CPU."""
    session, coroutine = apps
    rates, costs = [], []
    for _ in range(told.pairs):
        with prefork(session, 1, **settings) as server:
            first = load(folder, server, told.mode, CLIENTS, told.seconds)
        with prefork(f"{Path(__file__).parent / 'apps.py'}:{coroutine}", 1, **settings) as server:
            second = load(folder, server, told.mode, CLIENTS, told.seconds)
        if first.failures or second.failures:
            raise SystemExit(f"failures: {first} {second}")
        rates.append((second.per_second / first.per_second, first.per_second, second.per_second))
        costs.append((first.cpu_us / second.cpu_us, first.cpu_us, second.cpu_us))
    ratio, plain, ours = (statistics.median(column) for column in zip(*rates, strict=True))
    cpu, plain_us, ours_us = (statistics.median(column) for column in zip(*costs, strict=True))
    return (
        f"session {plain:8,.0f}/s, coroutine {ours:8,.0f}/s: {ratio:.2f}; "
        f"CPU {plain_us:.1f} us, {ours_us:.1f} us: {cpu:.2f}"
    )


if __name__ == "__main__":
    main()
