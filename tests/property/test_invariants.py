"""The invariants of policy.md in a pool to which anything may happen."""

from __future__ import annotations

from tests.property.every import EVERY
from tests.property.machine import always


def test_whatever_happens_every_invariant_holds() -> None:
    """All in one run: its examples follow from the machine alone, so that each by itself would see the same ones."""
    always(*EVERY, examples=80, steps=40)
