"""`prefork journal export`: a recorded load as a file that `simulate` and `tune` read."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefork.errors import ConfigError
from prefork.journal.pieces import read
from prefork.journal.traffic import Births, sessions_of

if TYPE_CHECKING:
    from typing import TextIO

    from prefork.journal.traffic import Played

Journal = Annotated[str, Parameter(help="A journal's folder, or a piece of one.")]
AsTraffic = Annotated[
    bool, Parameter(name="--as-traffic", negative=(), help="As the sessions that came: one a line, for `simulate`.")
]
Out = Annotated[str | None, Parameter(name=["--output", "-o"], negative=(), help="A file; left out: stdout.")]


def export(journal: Journal, /, *, as_traffic: AsTraffic = False, output: Out = None) -> int:
    """Write what a journal tells in another form."""
    if not as_traffic:
        raise ConfigError("journal export: no form is named: say --as-traffic")
    births = Births()
    sessions = sessions_of(births.seen(read(journal)))
    if not sessions:
        raise ConfigError(f"{journal}: nobody came while it was written: there is no traffic to export")
    if births.quickest_ns is not None:
        took = f"{births.quickest_ns / 1e6:.3g}ms"
        print(f"its workers were born in {took}: prefork simulate --spawn-time {took}", file=sys.stderr)  # noqa: T201
    if output is None:
        _write(sessions, sys.stdout)
        return 0
    try:
        with Path(output).open("w", encoding="utf-8", newline="") as file:
            _write(sessions, file)
    except OSError as error:
        raise ConfigError(f"--output {output}: {error.strerror}: name a file that can be written") from None
    return 0


def _write(sessions: list[Played], file: TextIO) -> None:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["time", "duration_s"])
    rows.writerows((f"{at / 1e9:.6f}", f"{length / 1e9:.6f}") for at, length in sessions)
