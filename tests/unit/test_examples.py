"""A property is shown the same examples wherever, and with whatever else, it runs (tests/conftest.py)."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_module_that_is_imported_changes_no_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []

    @given(st.integers())
    @settings(max_examples=300)
    def a_property(number: int) -> None:
        shown.append(number)

    a_property()
    first = [*shown]
    source = tmp_path / "full_of_figures.py"
    source.write_text(f"FIGURES = {[*range(10**6, 10**6 + 500)]}")
    module = ModuleType("full_of_figures")
    module.__file__ = str(source)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    shown.clear()
    a_property()
    assert shown == first
    assert len(first) == 300
