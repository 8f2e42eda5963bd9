"""`[backends.NAME]` against the dataclass that the backend NAME declares."""

from __future__ import annotations

import dataclasses
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prefork.app.app import App
    from prefork.backends.contract import Backend


def make_options(backend: Backend, given: Mapping[str, Any]) -> object:
    """Check `[backends.NAME]` against the backend's dataclass. Raises ConfigError naming table, key and value.

    A ConfigError of the dataclass's own has to do so by itself.
    """
    table = f"[backends.{backend.name}]"
    kind = backend.options
    if kind is None:
        if given:
            raise ConfigError(f"{table} {', '.join(given)}: this backend has no options")
        return None
    _check_names(table, kind, given)
    hints = hints_of(kind)
    for key, value in given.items():
        if not fits(value, hints.get(key, Any)):
            raise ConfigError(f"{table} {key}: expected {in_words(hints[key])}, not {value!r:.60}")
    try:
        made: object = kind(**given)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{table} {dict(given)}: {error}") from None
    except Exception as error:
        raise ConfigError(f"{table} {dict(given)}: {type(error).__name__}: {error}") from error
    return made


def _check_names(table: str, kind: type, given: Mapping[str, Any]) -> None:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in given:
        if key not in fields:
            from difflib import get_close_matches  # noqa: PLC0415 - for a key that is not known

            close = get_close_matches(key, fields, n=1)
            cure = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(fields) or 'none'}"
            raise ConfigError(f"{table} {key}: no such option; {cure}")
    nothing = dataclasses.MISSING
    for key, field in fields.items():
        if key not in given and field.default is nothing and field.default_factory is nothing:
            raise ConfigError(f"{table} {key}: not given, and it has no default")


def hints_of(kind: Callable[..., object]) -> dict[str, Any]:
    """The types that can be told; a name that exists for type checkers alone makes none of them known."""
    try:
        return get_type_hints(kind)
    except (NameError, AttributeError, TypeError):
        return {}


def fits(value: object, kind: Any) -> bool:  # noqa: ANN401 - any annotation
    """Whether a value of a config file is of that type; True for a type that no config file can say."""
    origin = get_origin(kind)
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in get_args(kind))
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    if origin in (list, tuple):
        return isinstance(value, list) and _fit_each(value, get_args(kind), of_any_length=origin is list)
    if kind is float:
        return type(value) in (int, float)
    if kind in (bool, int, str, NoneType):
        return type(value) is kind
    return origin is not type or isinstance(value, type)


def _fit_each(values: list[Any], kinds: tuple[Any, ...], *, of_any_length: bool) -> bool:
    if of_any_length or kinds[1:] == (...,):
        return all(fits(each, kinds[0]) for each in values)
    return len(values) == len(kinds) and all(map(fits, values, kinds))


def in_words(kind: Any) -> str:  # noqa: ANN401 - as `fits`
    """The type, as a config file can say it."""
    origin = get_origin(kind)
    if origin is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if origin in (Union, UnionType):
        return " or ".join(in_words(each) for each in get_args(kind) if get_origin(each) is not type)
    if kind is NoneType:
        return "None"
    return str(getattr(kind, "__name__", kind)) if origin is None else str(kind)


def adopt(backend: Backend, app: App, options: object) -> None:
    """Let the backend see the app before a worker is forked, where it wants to: see `contract`.

    Raises ConfigError: the backend's own, which says what the app lacks, or one that names the backend.
    """
    hook = getattr(backend, "adopt", None)
    if hook is not None:
        _call(backend, "adopt", hook, app, options)


def prepare(backend: Backend, options: object) -> None:
    """Let the backend change this process before an app is imported, where it wants to: see `contract`.

    Raises ConfigError, which names the backend, for whatever that raises.
    """
    hook = getattr(backend, "prepare", None)
    if hook is not None:
        _call(backend, "prepare", hook, options)


def _call(backend: Backend, name: str, hook: Callable[..., object], *args: object) -> None:
    try:
        hook(*args)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{name}() raised {type(error).__name__}: {error}"
        raise ConfigError(f"backend {backend.name!r} ({type(backend).__module__}): {said}") from error
