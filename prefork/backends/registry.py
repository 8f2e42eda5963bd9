"""Which backends there are, and the one that is wanted. Loaded by name: no other plugin is imported."""

from __future__ import annotations

import dataclasses
from difflib import get_close_matches
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from prefork.backends import contract
from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prefork.backends.contract import Backend

_BUILT_IN = {
    "selectors": "prefork.backends.selector_loop",
    "asyncio": "prefork.backends.asyncio_loop",
    "threads": "prefork.backends.thread_loop",
}
"""Found also where prefork is not installed as a distribution."""
_OURS = "prefork"


class KnownBackend(NamedTuple):
    """A backend that could be loaded."""

    name: str
    module: str
    distribution: str
    """Who provides it."""


def known_backends() -> list[KnownBackend]:
    """What is installed, by name, without importing any of it; a third party's stands before ours of the same name."""
    known = {name: KnownBackend(name, module, _OURS) for name, module in _BUILT_IN.items()}
    for point in sorted(metadata.entry_points(group=contract.GROUP), key=_precedence):
        known[point.name] = KnownBackend(point.name, point.value, _provider(point))
    return sorted(known.values())


def _provider(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unnamed distribution"


def _precedence(point: metadata.EntryPoint) -> tuple[bool, str]:
    """The last one wins: ours come first, the others by name, so that a choice never depends on the order of files."""
    provider = _provider(point)
    return provider != _OURS, provider


def load_backend(name: str) -> Backend:
    """Import the backend called `name`, and check it. Raises ConfigError in one line."""
    known = {each.name: each for each in known_backends()}
    wanted = known.get(name)
    if wanted is None:
        raise ConfigError(_unknown(name, known))
    offers = _offers(wanted)
    for backend in offers:
        if getattr(backend, "name", None) == name:
            return _checked(backend, wanted)
    others = ", ".join(str(getattr(each, "name", each)) for each in offers) or "none"
    raise _broken(wanted, f"it offers no backend of that name, but {others}")


def _unknown(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    cure = f"; did you mean {close[0]!r}?" if close else ""
    return (
        f"backend {name!r} is not known; installed: {', '.join(sorted(known))} "
        f"(third-party backends register in the entry-point group {contract.GROUP!r}){cure}"
    )


def _broken(wanted: KnownBackend, why: str) -> ConfigError:
    return ConfigError(f"backend {wanted.name!r} of {wanted.distribution} ({wanted.module}): {why}")


def _offers(wanted: KnownBackend) -> list[Backend]:
    """What the plugin's hook returns; every failure of it is told as the plugin's."""
    plugins = pluggy.PluginManager("prefork")
    plugins.add_hookspecs(contract)
    try:
        plugins.register(import_module(wanted.module), wanted.module)
        plugins.check_pending()
        return [each for offer in plugins.hook.prefork_backends() for each in offer]
    except Exception as error:
        raise _broken(wanted, f"{type(error).__name__}: {error}") from error


def _checked(backend: Backend, wanted: KnownBackend) -> Backend:
    version = getattr(backend, "contract", None)
    if version != contract.CONTRACT:
        raise _broken(wanted, f"it keeps contract {version}, and this prefork speaks {contract.CONTRACT}")
    styles = getattr(backend, "styles", None)
    if not isinstance(styles, (set, frozenset)) or not styles:
        raise _broken(wanted, f"its styles are {styles!r:.60}; expected a set of names")
    options = getattr(backend, "options", None)
    if options is not None and not (isinstance(options, type) and dataclasses.is_dataclass(options)):
        raise _broken(wanted, f"its options are {options!r:.60}; expected a dataclass, or None")
    if not callable(getattr(backend, "run", None)):
        raise _broken(wanted, "it has no run()")
    return backend


def make_options(backend: Backend, given: Mapping[str, Any]) -> object:
    """Check `[backends.NAME]` against the backend's dataclass. Raises ConfigError naming table, key and value."""
    table = f"[backends.{backend.name}]"
    kind = backend.options
    if kind is None:
        if given:
            raise ConfigError(f"{table} {', '.join(given)}: this backend has no options")
        return None
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    for key in given:
        if key not in names:
            close = get_close_matches(key, names, n=1)
            cure = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names) or 'none'}"
            raise ConfigError(f"{table} {key}: no such option; {cure}")
    try:
        made: object = kind(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{table} {dict(given)}: {error}") from None
    return made
