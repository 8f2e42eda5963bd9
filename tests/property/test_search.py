"""Small pools, and all that a few events can do to them: no state is left out. `make search` goes further."""

from __future__ import annotations

import pytest

from tests.property import themes
from tests.property.events import only
from tests.property.every import OF_A_PLAN, OF_TWO_PLANS
from tests.property.search import search
from tests.property.themes import DEMAND, SPARE, STATIC, ZERO, Small


@pytest.mark.parametrize(
    ("pool", "kinds", "depth", "nodes"),
    [
        pytest.param(SPARE, themes.EVERYTHING, 3, 3000, id="everything"),
        pytest.param(DEMAND, themes.EVERYTHING, 3, 3000, id="everything, and load followed"),
        pytest.param(SPARE, themes.LOAD, 6, 4000, id="load"),
        pytest.param(STATIC, themes.LOAD, 6, 1000, id="load, and age"),
        pytest.param(ZERO, themes.LOAD, 5, 1000, id="load, without spares"),
        pytest.param(DEMAND, themes.LOAD, 5, 1000, id="load, followed"),
        pytest.param(DEMAND, themes.ORDERS, 4, 1000, id="the operator's orders, and load followed"),
        pytest.param(SPARE, themes.ENDS, 8, 1000, id="ends"),
        pytest.param(STATIC, themes.ENDS, 6, 1000, id="ends, and age"),
        pytest.param(SPARE, themes.MOLDS, 6, 1000, id="molds"),
        pytest.param(SPARE, themes.STOPS, 6, 1000, id="drains and stops"),
        pytest.param(ZERO, themes.ORDERS, 5, 1000, id="the operator's orders"),
    ],
)
def test_after_any_events_every_look_is_right(pool: Small, kinds: str, depth: int, nodes: int) -> None:
    start = pool.settled()
    start.checks = (*OF_A_PLAN, *OF_TWO_PLANS)
    assert search([start], depth, only(kinds, pool.lowered)).nodes > nodes


def test_after_any_ends_in_debt_for_outside_kills_every_look_is_right() -> None:
    start = STATIC.settled(indebted=True)
    start.checks = (*OF_A_PLAN, *OF_TWO_PLANS)
    assert search([start], 6, only(themes.ENDS, STATIC.lowered)).nodes > 500


@pytest.mark.parametrize("kinds", [themes.LOAD, themes.ORDERS, themes.STOPS])
def test_after_any_events_in_a_pool_with_pauses_every_look_is_right(kinds: str) -> None:
    start = themes.consolidated()
    start.checks = (*OF_A_PLAN, *OF_TWO_PLANS)
    assert search([start], 4, only(kinds, DEMAND.lowered)).nodes > 300
