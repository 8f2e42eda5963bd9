"""docs/SIGNALS.md names what each process of a running pool does about each signal, as /proc shows it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork.backends.tether import _REQUESTS as REQUESTS
from prefork.master.signals import OPERATORS
from prefork.testing import running
from tests.apps.lines import Echo
from tests.docs.markdown import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = ("master", "worker", "mold")
FIRST_OF_THE_C_LIBRARY = 32


def table(process: str) -> dict[signal.Signals, str]:
    """The column of one process: signal -> cell."""
    column = 2 + PROCESSES.index(process)
    cells: dict[signal.Signals, str] = {}
    for line in (DOCS / "SIGNALS.md").read_text().splitlines():
        row = [cell.strip() for cell in line.split("|")]
        if len(row) > column and row[1] not in ("signal", "---"):
            cells |= {signal.Signals[f"SIG{name}"]: row[column] for name in row[1].split(", ")}
    return cells


def spoken_of(process: str, *words: str) -> set[signal.Signals]:
    return {signum for signum, cell in table(process).items() if cell.split(":")[0] in words}


def mask(pid: int, field: str) -> set[signal.Signals]:
    """The signals in `SigCgt` (caught) or `SigIgn` (ignored)."""
    status = Path(f"/proc/{pid}/status").read_text()
    bits = int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:")), 16)
    return {signal.Signals(at) for at in range(1, FIRST_OF_THE_C_LIBRARY) if bits >> (at - 1) & 1}


@pytest.fixture(scope="module")
def pids() -> Iterator[dict[str, int]]:
    with running(Echo) as pool:
        rows = pool.status()
        yield {"master": pool.pid, "worker": rows["workers"][0]["pid"], "mold": rows["mold"][0]["pid"]}


@pytest.mark.parametrize("process", PROCESSES)
def test_the_table_names_exactly_what_a_process_has_installed(process: str, pids: dict[str, int]) -> None:
    installed = mask(pids[process], "SigCgt") | mask(pids[process], "SigIgn")
    assert installed == table(process).keys() - spoken_of(process, "default")


def test_what_a_worker_ignores_has_no_effect_and_nothing_else(pids: dict[str, int]) -> None:
    assert mask(pids["worker"], "SigIgn") == spoken_of("worker", "nothing")


def test_what_a_mold_ignores_or_takes_without_effect_is_all_it_has(pids: dict[str, int]) -> None:
    assert mask(pids["mold"], "SigCgt") == {*OPERATORS}
    assert {*OPERATORS} <= spoken_of("mold", "nothing")


def test_what_a_worker_asks_of_the_master_is_in_its_cell() -> None:
    asked = {signum: cell for signum, cell in table("worker").items() if signum in REQUESTS}
    assert {signum: cell.split()[0] for signum, cell in asked.items()} == {
        signum: request.act for signum, request in REQUESTS.items()
    }


def test_no_signal_is_named_that_nobody_sets() -> None:
    untouched = set.intersection(*(spoken_of(process, "default") for process in PROCESSES))
    assert untouched == {signal.SIGALRM}, "an interval timer's, whose default action is meant"
