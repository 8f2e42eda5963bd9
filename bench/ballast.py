"""EchoLines in a mold that holds 100 MB of small objects: what a fork has to copy the page tables of."""

from __future__ import annotations

from bench.apps import EchoLines

BALLAST = [float(number) for number in range(3_100_000)]
"""24 bytes each, and 8 for the list's reference to it."""

__all__ = ["BALLAST", "EchoLines"]
