"""A test that needs what the machine lacks is left out, and one line says so; in CI none is.

Properties are shown the same examples wherever they run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from tests import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = pytest.StashKey[str]()

# A property alone decides its examples: no seed, clock or database (Hypothesis's profile for CI), and, which it has no
# setting for, no constants out of whatever modules are imported by then. This raises should Hypothesis rename it.
settings.load_profile("ci")
pytest.MonkeyPatch().setattr(providers, "_get_local_constants", Constants)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*what): programs, or root; tests/needs.py knows them")


@pytest.hookimpl(trylast=True)  # after -k and -m: nobody misses a test that wasn't asked for
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    lacking = {item: missing for item in items if (missing := set(filter(needs.is_missing, needed_by(item))))}
    if not lacking:
        return
    missing = set().union(*lacking.values())
    how_many, what = f"{len(lacking)} of {len(items)} tests", ", ".join(sorted(missing))
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        raise pytest.UsageError(f"{how_many} can't run without {what}, and CI leaves out none: {needs.cure(missing)}")
    config.stash[LEFT_OUT] = f"left out: {how_many}, for want of {what} ({needs.cure(missing)})"
    config.hook.pytest_deselected(items=list(lacking))
    items[:] = [item for item in items if item not in lacking]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if sentence := config.stash.get(LEFT_OUT, ""):
        terminalreporter.write_line(sentence)


def needed_by(item: pytest.Item) -> Iterator[str]:
    for mark in item.iter_markers("needs"):
        yield from mark.args
