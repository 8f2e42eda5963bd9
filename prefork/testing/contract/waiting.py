"""Waiting for a fact, with a deadline."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 10.0
"""Whatever a test waits for is true by then, or never."""
_STEP_S = 0.001
_V = TypeVar("_V")


def until(fact: Callable[[], _V], what: str | Callable[[], str] = "") -> _V:
    """Wait for `fact` to be true; its value. Raises AssertionError after DEADLINE_S, saying `what`."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if value := fact():
            return value
        select.select([], [], [], _STEP_S)
    raise AssertionError(f"never became true: {what() if callable(what) else what or fact}")


def elapse(ns: int) -> None:
    """So much time passes: for what must not happen meanwhile."""
    end = time.monotonic_ns() + ns
    while (left := end - time.monotonic_ns()) > 0:
        select.select([], [], [], left / 1e9)
