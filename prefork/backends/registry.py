"""Which backends there are, and the one that is wanted. Loaded by name: no other plugin is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import pluggy

from prefork.app.naming import did_you_mean
from prefork.backends import contract
from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib import metadata

    from prefork.app.app import App
    from prefork.app.styles import Style
    from prefork.backends.contract import Backend

_BUILT_IN = {
    "selectors": "prefork.backends.selector_loop",
    "asyncio": "prefork.backends.asyncio_loop",
    "threads": "prefork.backends.thread_loop",
}
"""Found also where prefork is not installed as a distribution."""
_OURS = "prefork"
_UNNAMED = "an unnamed distribution"


class KnownBackend(NamedTuple):
    """A backend that could be loaded."""

    name: str
    module: str
    distribution: str
    """Who provides it."""
    instead_of: str = ""
    """Whose backend of the same name it replaces."""


def known_backends() -> list[KnownBackend]:
    """What is installed, by name, without importing any of it; a third party's stands before ours of the same name.

    It costs the process 2.4 MiB of modules that only this look needs.
    """
    known = {name: KnownBackend(name, module, _OURS) for name, module in _BUILT_IN.items()}
    for provider, point in sorted(_installed(), key=_precedence):
        before = known.get(point.name)
        replaced = before.distribution if before is not None and before.distribution != provider else ""
        known[point.name] = KnownBackend(point.name, point.value, provider, replaced)
    return sorted(known.values())


def _installed() -> Iterator[tuple[str, metadata.EntryPoint]]:
    """Each entry point with its distribution's name, the one that Python would import first of each.

    `metadata.entry_points` does the same, and raises for all when one distribution's can't be read.
    """
    from importlib import metadata  # noqa: PLC0415 - with it come email, zipfile and lzma

    seen = set()
    for distribution in metadata.distributions():
        try:
            points = [each for each in distribution.entry_points if each.group == contract.GROUP]
        except Exception:  # noqa: BLE001, S112 - whatever a file that nobody checked makes of the parser
            continue
        provider = _provider(distribution) if points else ""
        for point in points:
            if (provider, point.name) not in seen:
                seen.add((provider, point.name))
                yield provider, point


def _provider(distribution: metadata.Distribution) -> str:
    try:
        said = distribution.metadata
        return said["Name"] if "Name" in said else _UNNAMED  # noqa: SIM401 - its type has no get
    except Exception:  # noqa: BLE001 - as above: there may be no such file at all
        return _UNNAMED


def _precedence(offer: tuple[str, metadata.EntryPoint]) -> tuple[bool, str]:
    """The last one wins: ours come first, the others by name, so that a choice never depends on the order of files."""
    provider, _ = offer
    return provider != _OURS, provider


def load_backend(name: str, installed: Iterable[KnownBackend] | None = None) -> Backend:
    """Import the backend called `name`, and check it. Raises ConfigError in one line.

    `installed`: what `known_backends` said to whoever had it looked up; None: it is looked up here.
    """
    known = {each.name: each for each in (known_backends() if installed is None else installed)}
    wanted = known.get(name)
    if wanted is None:
        raise ConfigError(f"backend {unknown(name, sorted(known))}")
    offers = _offers(wanted)
    for backend in offers:
        if getattr(backend, "name", None) == name:
            return _checked(backend, wanted)
    others = ", ".join(str(getattr(each, "name", each)) for each in offers) or "none"
    raise _broken(wanted, f"it offers no backend of that name, but {others}")


def require_style(app: App, name: str, backend: Backend) -> None:
    """Refuse an app whose style the backend can't run. Raises ConfigError, which names the loops that can."""
    if app.style in backend.styles:
        return
    can = [each.name for each in known_backends() if each.name != name and _runs(each.name, app.style)]
    raise ConfigError(cannot_run(name, app.style, can))


def cannot_run(name: str, style: str, can: Sequence[str]) -> str:
    """The line about an app of a style that the backend `name` can't run, and those of `can` can."""
    cure = f"use backend = {' or '.join(repr(each) for each in can)}" if can else "no loop that is installed can"
    return f"backend {name!r} can't run an app of style {style!r}: {cure}"


def unknown(name: str, known: Sequence[str]) -> str:
    """The end of the line about a backend that isn't installed, where those of `known` are."""
    cure = did_you_mean(name, known)
    if name == "uvloop":
        cure = "; say backend = 'asyncio', which runs on uvloop where prefork[uvloop] is installed"
    return (
        f"{name!r} is not known; installed: {', '.join(known)}{cure} "
        f"(third-party backends register in the entry-point group {contract.GROUP!r})"
    )


def _runs(name: str, style: Style) -> bool:
    """Whether another backend is there that could."""
    try:
        return style in load_backend(name).styles
    except ConfigError:
        return False


def _broken(wanted: KnownBackend, why: str) -> ConfigError:
    return ConfigError(f"backend {wanted.name!r} of {wanted.distribution} ({wanted.module}): {why}")


def _offers(wanted: KnownBackend) -> list[Backend]:
    """What the plugin's hook returns; every failure of it is told as the plugin's."""
    plugins = pluggy.PluginManager("prefork")
    plugins.add_hookspecs(contract)
    try:
        plugins.register(import_module(wanted.module), wanted.module)
        plugins.check_pending()
        offers = plugins.hook.prefork_backends()
    except (Exception, SystemExit) as error:
        raise _broken(wanted, f"{type(error).__name__}: {error}") from error
    if not offers:
        raise _broken(wanted, "it has no hook prefork_backends (marked @hookimpl) that offers backends")
    for offer in offers:
        if not isinstance(offer, list):
            raise _broken(wanted, f"prefork_backends() returned {offer!r:.60}; expected a list of backends")
    return [each for offer in offers for each in offer]


def _checked(backend: Backend, wanted: KnownBackend) -> Backend:
    version = getattr(backend, "contract", None)
    if version != contract.CONTRACT:
        raise _broken(wanted, f"it keeps contract {version}, and this prefork speaks {contract.CONTRACT}")
    styles = getattr(backend, "styles", None)
    if not isinstance(styles, Mapping) or not styles or not {*styles.values()} <= {"native", "bridged"}:
        raise _broken(wanted, f"its styles are {styles!r:.60}; expected {{style: 'native' or 'bridged'}}")
    options = getattr(backend, "options", None)
    if options is not None and not (isinstance(options, type) and dataclasses.is_dataclass(options)):
        raise _broken(wanted, f"its options are {options!r:.60}; expected a dataclass, or None")
    if not callable(getattr(backend, "run", None)):
        raise _broken(wanted, "it has no run()")
    return backend
