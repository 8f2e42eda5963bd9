"""Whatever two events do to a small pool, every invariant holds: a search that is quick enough for each mutant."""

from __future__ import annotations

import pytest

from tests.property import themes
from tests.property.events import only
from tests.property.every import EVERY
from tests.property.search import search
from tests.property.themes import DEMAND, SPARE, STATIC, ZERO, Small


@pytest.mark.parametrize("pool", [SPARE, STATIC, ZERO, DEMAND], ids=["spare", "static", "zero", "demand"])
def test_after_any_two_events_every_invariant_holds(pool: Small) -> None:
    start = pool.settled()
    start.checks = EVERY
    assert search([start], 2, only(themes.EVERYTHING, pool.lowered)).nodes > 100


def test_after_any_two_events_in_a_pool_with_pauses_every_invariant_holds() -> None:
    start = themes.consolidated()
    start.checks = EVERY
    assert search([start], 2, only(themes.EVERYTHING, DEMAND.lowered)).nodes > 100
