"""`make bench`: the whole table of bench/RESULTS.md, measured anew. Nothing in it passes or fails.

The whole of it writes bench/results.json, the table of bench/RESULTS.md, the figures that README quotes and a picture;
`--only NAME …` prints some rows, and with `--write` replaces them there.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import resource
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from bench import nginx, pool
from bench.comparisons import comparisons
from bench.decisions import decisions
from bench.loads import Programs
from bench.pairs import ENOUGH, Options
from bench.table import HERE, Report, Row, line

if TYPE_CHECKING:
    from collections.abc import Callable

    Measure = Callable[[Options], list[Row]]

_FIGURES: dict[str, Measure] = {
    "births": pool.births,
    "burst": pool.burst,
    "decisions": decisions,
    "held": pool.held,
    "master": pool.master,
    "memory": pool.memory,
    "wakeups": pool.wakeups,
}
_AGAIN = "measured again"
_DOCUMENTS = (HERE / "RESULTS.md", HERE.parent / "README.md")
_PICTURE = HERE.parent / "docs/pictures/bench.png"
_PACKAGES = ("uvloop", "gevent", "Twisted", "uvicorn", "httptools", "granian", "Hypercorn", "gunicorn", "trio")


def main() -> None:
    """Measure, print, write."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        programs = Programs.build(Path(folder))
        known: dict[str, Measure] = {each.name: each.measure for each in comparisons(programs)}
        known |= _FIGURES
        told = _arguments(list(known))
        machine = _machine(told)
        print(*(f"{what}: {value}" for what, value in machine.items()), sep="\n", flush=True)
        began, rows = time.monotonic(), list[Row]()
        for name in told.only or known:
            rows += _measured(name, known[name], Options(programs, told.pairs, told.seconds, told.budget))
        machine["took"] = f"{(time.monotonic() - began) / 60:.1f} minutes"
    print(machine["took"])
    if told.only and told.write:
        before = Report.stored()
        again = f"{', '.join(told.only)} (commit {machine['commit']}, load before {machine['load before']})"
        machine = before.machine | {_AGAIN: "; ".join(filter(None, [before.machine.get(_AGAIN), again]))}
        rows = merged(before.rows, rows)
    if told.write or not told.only:
        _write(Report(machine, rows))


def _measured(name: str, measure: Measure, options: Options) -> list[Row]:
    """Its rows, printed; a row that says what went wrong, where that did."""
    began = time.monotonic()
    try:
        rows = measure(options)
    except Exception as error:  # noqa: BLE001 - the others are to be measured all the same
        rows = [Row(name, name, "-", doubt=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")]
    print(f"{name}, {time.monotonic() - began:.0f} s")
    print(*(f"  {line(row)}" for row in rows), sep="\n", flush=True)
    return rows


def _arguments(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--pairs", type=int, default=ENOUGH, help="interleaved rounds of each comparison")
    parser.add_argument("--seconds", type=float, default=0.5, help="of one load")
    parser.add_argument("--budget", type=float, default=90.0, help="seconds for one comparison")
    parser.add_argument("--write", action="store_true", help="with --only: replace these rows in what is written")
    return parser.parse_args()


def merged(before: list[Row], rows: list[Row]) -> list[Row]:
    """The old rows in their order, those of what was measured again replaced by the new."""
    again = {row.name for row in rows}
    kept = [row for row in before if row.name not in again]
    order = list(dict.fromkeys(row.name for row in (*before, *rows)))
    return sorted([*kept, *rows], key=lambda row: order.index(row.name))


def _write(report: Report) -> None:
    from bench.picture import paint  # noqa: PLC0415 - matplotlib is for the picture alone

    report.store(_DOCUMENTS)
    paint(_PICTURE, [row for row in report.rows if row.ratio])


def _machine(told: argparse.Namespace) -> dict[str, str]:
    models = [each for each in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in each]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    versions = [
        f"{platform.python_implementation()} {platform.python_version()}",
        *map(_version, _PACKAGES),
        f"nginx {nginx.version()}",
        f"gcc {_said('gcc', '-dumpfullversion')}",
    ]
    return {
        "machine": f"{os.cpu_count()} cores of {model}, Linux {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "versions": ", ".join(versions),
        "commit": _said("git", "rev-parse", "--short", "HEAD"),
        "command": f"python -m bench --pairs {told.pairs} --seconds {told.seconds:g} --budget {told.budget:g}",
    }


def _said(*argv: str) -> str:
    return subprocess.run(argv, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


if __name__ == "__main__":
    main()
