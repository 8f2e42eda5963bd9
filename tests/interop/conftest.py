"""The examples run unchanged on every loop of ours."""

from __future__ import annotations

import pytest

LOOPS = ("selectors", "asyncio", "threads")


@pytest.fixture(scope="module", params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
