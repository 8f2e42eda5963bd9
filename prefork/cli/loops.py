"""Which loops can run in a worker, by name and distribution; none of them is imported."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from prefork.errors import ConfigError

if TYPE_CHECKING:
    from prefork.layers import Loaded

GROUP = "prefork.backends"
_OWN = {"selectors": "prefork"}
"""Ours, also where prefork runs from a checkout that was never installed."""


def known_loops() -> dict[str, str]:
    """Return name -> distribution, by name."""
    found = {point.name: point.dist.name if point.dist else "?" for point in entry_points(group=GROUP)}
    return dict(sorted((_OWN | found).items()))


def require_backend(loaded: Loaded) -> None:
    """Refuse a backend that isn't installed. Raises ConfigError, which lists those that are."""
    name, known = loaded.config.backend, known_loops()
    if name in known:
        return
    close = get_close_matches(name, list(known), n=1)
    guess = f"; did you mean {close[0]}?" if close else ""
    text = f"{name!r} is not known; installed: {', '.join(known)}{guess}"
    cure = f"(third-party backends register in the entry-point group {GROUP!r})"
    raise ConfigError(f"{loaded.blame('backend')}: {text} {cure}")
