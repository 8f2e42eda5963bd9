"""Fixed point: exponentials and roots in integers, so that a plan is the same on every machine.

Theory. `math.exp` is the C library's, whose last bit differs between machines; a ceiling makes a worker of that bit.
Shares are in 1/ONE here, and counts of sessions and workers in 1/MICRO.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

BITS = 32
ONE = 1 << BITS
MICRO = 1_000_000
_NOTHING = 40
"""exp(-40) is less than 1/ONE."""
_ONE_OVER_E = 1_580_030_169
"""ONE / e."""


@lru_cache(maxsize=1024)
def decay(elapsed: int, scale: int) -> int:
    """Return ONE * exp(-elapsed / scale), to a few units; `elapsed` isn't negative, `scale` over 0."""
    if elapsed >= _NOTHING * scale:
        return 0
    whole, part = divmod((elapsed << BITS) // scale, ONE)
    total, term, nth = 0, ONE, 0
    while term:  # the series of exp(-part), whose terms alternate and fall: two at a time
        odd = (term * part >> BITS) // (nth + 1)
        total, nth = total + term - odd, nth + 2
        term = (odd * part >> BITS) // nth
    for _ in range(whole):
        total = total * _ONE_OVER_E >> BITS
    return total


def root(micro: int) -> int:
    """Return the square root of a count in 1/MICRO, in 1/MICRO, rounded down; of what is below nothing, 0."""
    return isqrt(max(0, micro) * MICRO)


def ceil_div(number: int, by: int) -> int:
    """Return number / by, rounded up."""
    return -(-number // by)
