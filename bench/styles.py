"""What it costs to bring asyncio code to prefork: interleaved pairs of the same code on prefork and raw.

    python bench/styles.py [--pairs N] [--seconds S] [--only NAME …]

A figure is the peer's server CPU a request (`/proc/PID/schedstat`) by prefork's: 1 is equal, more is better. Beside it
"the same twice": prefork against prefork, by which one sees how much a run is worth.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from servers import Served, build, load, peer, prefork
from styles_apps import BufferedEcho, Echo, echo_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

CONNECTIONS = 64
LUA = 'function done(s) io.stderr:write(s.requests, " ", s.errors.status + s.errors.read, "\\n") end'


class Pair(NamedTuple):
    """Two servers to compare, and how they are loaded."""

    name: str
    ours: Callable[[], AbstractContextManager[Served]]
    theirs: Callable[[], AbstractContextManager[Served]]
    cost: Callable[[Path, Served, float], float]


def pairs() -> Iterator[Pair]:
    """Every comparison there is."""
    for loop in ("asyncio", "uvloop"):
        options = {"asyncio": {"loop": loop}}
        for name, app in (("Echo", Echo), ("BufferedEcho", BufferedEcho), ("streams", echo_stream)):
            ours = partial(prefork, app, 1, backend="asyncio", backends=options)
            raw = partial(peer, [sys.executable, "styles_apps.py", loop, name, "{port}"], 0)
            yield Pair(f"{name}-{loop}", ours, raw, _echoes)
    asgi = f"{Path(__file__).parent}/styles_apps.py:hello"
    uvicorn = [sys.executable, "-m", "uvicorn", "styles_apps:hello", "--workers", "2", "--no-access-log"]
    ours = partial(prefork, asgi, 2, backend="asyncio")
    yield Pair("asgi", ours, partial(peer, [*uvicorn, "--port", "{port}", "--log-level", "warning"], 2), _hellos)


def main() -> None:
    """Measure, print."""
    known = {each.name: each for each in pairs()}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", nargs="*", default=list(known), choices=list(known))
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        for name in told.only:
            _compare(Path(folder), known[name], told.pairs, told.seconds)


def _compare(folder: Path, pair: Pair, count: int, seconds: float) -> None:
    with pair.ours() as ours, pair.ours() as again, pair.theirs() as theirs:
        costs: list[list[float]] = []
        for number in range(count + 1):
            order = [ours, again, theirs] if number % 2 else [theirs, again, ours]
            run = {id(each): pair.cost(folder, each, seconds if number else 0.3) for each in order}
            costs.append([run[id(each)] for each in (ours, again, theirs)])
    mine, _, raw = (statistics.median(each) for each in zip(*costs[1:], strict=True))
    ratio = statistics.median(run[2] / run[0] for run in costs[1:])
    twice = statistics.median(run[1] / run[0] for run in costs[1:])
    print(
        f"{pair.name:22} {mine:6.2f} us a request, raw {raw:6.2f}: {ratio:.3f}   (the same twice {twice:.3f})",
        flush=True,
    )


def _echoes(folder: Path, server: Served, seconds: float) -> float:
    """CPU in us for each of the echoes of 64 connections."""
    return load(folder, server, "echo", CONNECTIONS, seconds).cpu_us


def _hellos(folder: Path, server: Served, seconds: float) -> float:
    """CPU in us for each answer to wrk."""
    script = folder / "count.lua"
    script.write_text(LUA, encoding="utf-8")
    before = server.cpu_ns()
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    said = subprocess.run([*argv, f"http://127.0.0.1:{server.port}/"], check=True, capture_output=True, text=True)
    requests, failures = (int(each) for each in said.stderr.split())
    if failures:
        raise SystemExit(json.dumps(said.stdout))
    return (server.cpu_ns() - before) / requests / 1000


if __name__ == "__main__":
    main()
