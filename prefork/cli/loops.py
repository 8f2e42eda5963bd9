"""Refusing a backend that isn't installed, before anything starts."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from prefork.errors import ConfigError

if TYPE_CHECKING:
    from prefork.layers import Loaded


def require_backend(loaded: Loaded) -> None:
    """Refuse a backend that isn't installed. Raises ConfigError, which lists those that are."""
    name = loaded.config.backend
    if name == type(loaded.config).model_fields["backend"].default:
        return  # ours is always there, and asking every distribution costs 50 ms
    from prefork.backends.registry import known_backends  # noqa: PLC0415 - as above

    known = [each.name for each in known_backends()]
    if name not in known:
        close = get_close_matches(name, known, n=1)
        guess = f"; did you mean {close[0]}?" if close else ""
        cure = f"{guess} (third-party backends register in the entry-point group 'prefork.backends')"
        raise ConfigError(f"{loaded.blame('backend')}: {name!r} is not known; installed: {', '.join(known)}{cure}")
