"""The names of a package, each loaded when it is first used (PEP 562)."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def load(package: str, name: str, home: Mapping[str, str]) -> object:
    """What `__getattr__` of the package returns; `home`: name -> its module. Raises AttributeError for any other."""
    if name not in home:
        raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(home))}")
    value: object = getattr(import_module(home[name]), name)
    setattr(sys.modules[package], name, value)
    return value
