"""Limits that differ from worker to worker: an integer hash of (seed, worker), nothing drawn and nothing stored.

Theory. Workers born together would go together. Jitter only ever shortens a limit, so `max_age = 1h` still means that
nobody is older; the share taken off lies evenly in [0, jitter].
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from prefork.policy.limits import PPM

if TYPE_CHECKING:
    from prefork.policy.limits import Limits
    from prefork.policy.model import WorkerId

_MASK = (1 << 64) - 1


def shortened(limit: int, jitter_ppm: int, draw: int) -> int:
    """Return the limit less its share of the jitter, at least 1; `draw` comes from `draw_of`."""
    return max(1, limit - limit * jitter_ppm * draw // (PPM << 32))


def served_limit(limits: Limits, seed: int, worker: WorkerId) -> int:
    """Return how many sessions this worker may ever accept; 0: no limit. The worker's own gate is told this number."""
    return shortened(limits.max_served, limits.jitter_ppm, draw_of(seed, worker)) if limits.max_served else 0


@lru_cache(maxsize=4096)
def draw_of(seed: int, worker: WorkerId) -> int:
    """Return an even 32-bit number that belongs to this worker. Source: splitmix64 (Steele, Lea, Flood 2014)."""
    mixed = (seed + worker * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) >> 32
