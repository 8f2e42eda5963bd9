"""The invariants of policy.md in a pool to which anything may happen: each by its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.property.every import EVERY
from tests.property.machine import always

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.property.world import Seen


@pytest.mark.parametrize("invariant", EVERY, ids=lambda invariant: invariant.__name__)
def test_whatever_happens(invariant: Callable[[Seen], None]) -> None:
    always(invariant, examples=40, steps=40, shrink=False)
