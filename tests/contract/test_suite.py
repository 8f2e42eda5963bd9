"""The contract suite itself: it covers every clause, and a loop that breaks one fails that clause."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork.backends import contract
from prefork.testing.contract import BackendContract, TlsContract, life_clauses
from tests.contract.broken_loops import NOTICED_BY

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
PARTS = 4
CONTROL = "test_10_the_master_is_rung_when_sessions_rise_and_not_for_each_of_them"
"""A test that all of them pass: what is broken is one clause, not the worker."""
TLS_CONTROL = "test_17_frames_may_come_split_and_joined"
"""The same for loops that break the clause about TLS, which only TlsContract tests."""
CONFTEST = "from prefork.testing.contract import waiting\nwaiting.DEADLINE_S = 2.0\n"


def numbers(found: Iterable[str]) -> set[int]:
    return {int(each) for each in found}


def test_every_clause_has_a_test() -> None:
    clauses = numbers(re.findall(r"^ ?(\d+)\. ", str(contract.__doc__), re.MULTILINE))
    tested = numbers(name[5:7] for name in {*dir(BackendContract), *dir(TlsContract)} if re.match(r"test_\d\d_", name))
    assert len(clauses) >= 33
    assert clauses == set(range(1, len(clauses) + 1)) == tested


def test_every_clause_is_broken_by_a_loop_that_fails_it() -> None:
    assert numbers(test[5:7] for test in NOTICED_BY.values()) == set(range(1, 38))


def test_a_failing_assert_tells_its_values() -> None:
    assert type(life_clauses.__loader__).__name__ == "AssertionRewritingHook"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What pytest says of each broken loop: outcome by name of the test."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "broken_loops-1.0.dist-info").mkdir()
    (folder / "broken_loops-1.0.dist-info" / "METADATA").write_text("Name: broken-loops\nVersion: 1.0\n")
    points = "".join(f"{name} = broken_loops\n" for name in NOTICED_BY)
    (folder / "broken_loops-1.0.dist-info" / "entry_points.txt").write_text(f"[prefork.backends]\n{points}")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_broken.py").write_text(
        "from prefork.testing.contract import BackendContract, TlsContract\n"
        + "".join(
            f"class Test_{name.replace('-', '_')}({_suite(name)[0].__name__}): backend = {name!r}\n"
            for name in NOTICED_BY
        )
    )
    parts = [_start(folder, [*NOTICED_BY][part::PARTS]) for part in range(PARTS)]
    found: dict[str, dict[str, str]] = {}
    for process in parts:
        out, _ = process.communicate(timeout=50)
        for outcome, name, test in re.findall(r"^(PASSED|FAILED|ERROR) \S+::Test_(\w+)::(\S+)", out, re.MULTILINE):
            found.setdefault(name.replace("_", "-"), {})[test] = outcome
    return found


def _start(folder: Path, names: list[str]) -> subprocess.Popen[str]:
    nodes = [f"test_broken.py::Test_{name.replace('-', '_')}::{test}" for name in names for test in _tests(name)]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-rA", "--tb=no", "-p", "no:cacheprovider", *nodes],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{HERE}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def _tests(name: str) -> list[str]:
    wanted = NOTICED_BY[name]
    suite, control = _suite(name)
    whole = [wanted] if "[" in wanted else [each for each in dir(suite) if each.startswith(wanted)]
    return [control, *whole]


def _suite(name: str) -> tuple[type, str]:
    """What runs on this loop, and the test that it passes."""
    return (TlsContract, TLS_CONTROL) if NOTICED_BY[name].startswith("test_36") else (BackendContract, CONTROL)


@pytest.mark.parametrize("name", NOTICED_BY)
def test_a_loop_that_breaks_a_clause_fails_it(name: str, outcomes: dict[str, dict[str, str]]) -> None:
    told = outcomes[name]
    assert told.pop(_suite(name)[1]) == "PASSED"
    assert "FAILED" in told.values()
