"""The flags of `serve` and `check`, made from the config model: cyclopts parses them, pydantic alone judges the values.

cyclopts can nest pydantic models by itself, but not give a leaf a second, short name, nor leave a value unjudged; so each
leaf becomes one keyword parameter here, and what was typed comes back as text together with the flag that said it.
"""

from __future__ import annotations

from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args

from cyclopts import Group
from cyclopts import Parameter as Flag

from prefork.layers import Sources
from prefork.layers.shape import Leaf, shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cyclopts import Token

_STATIC = "--workers"
"""The one flag that says two things: so many workers, and that their number is fixed."""
_METAVARS = {Path: "PATH", float: "NUMBER", int: "N", str: "TEXT"}


class Typed(NamedTuple):
    """One value on the command line, and the flag as it was typed; None: it stood alone."""

    text: str
    flag: str | None


def with_settings(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command(app, /, *, config, **typed)` one flag for each leaf of the config."""
    command.__signature__ = Signature(list(_parameters()))  # type: ignore[attr-defined] # inspect reads it, no stub has it
    return command


def sources_of(app: list[Typed] | None, config: list[Typed] | None, typed: dict[str, list[Typed] | None]) -> Sources:
    """Return what the command line says, not judged yet."""
    flags: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for leaf in shape().leaves.values():
        said = app if leaf.path == ("app",) else typed.get(_identifier(leaf))
        if said:
            spelled[leaf.dotted] = said[0].flag or "APP"
            _put(flags, leaf.path, [one.text for one in said] if leaf.many else said[0].text)
    if spelled.get("pool.sizing.workers") == _STATIC:
        flags["pool"]["sizing"].setdefault("kind", "static")
        spelled.setdefault("pool.sizing.kind", _STATIC)
    return Sources.here(config[0].text if config else None, flags, spelled)


def _parameters() -> list[Parameter]:
    """Return APP, `-c` and one parameter a leaf."""
    leaves = [leaf for leaf in shape().leaves.values() if leaf.path != ("app",)]
    app = _parameter("app", shape().leaves["app",].field.description or "", (), "APP", None)
    config = _parameter("config", "The config file. Left out: ./prefork.toml, if it is there.", ("--config", "-c"), "FILE", None)
    return [
        app.replace(kind=Parameter.POSITIONAL_ONLY),
        config,
        *(_parameter(_identifier(leaf), _help(leaf), shape().flags(leaf), _metavar(leaf), leaf) for leaf in leaves),
    ]


def _parameter(name: str, text: str, flags: tuple[str, ...], metavar: str, leaf: Leaf | None) -> Parameter:
    hint = list[str] if leaf is not None and leaf.many else str
    above = leaf.path[:-1] if leaf is not None else ()
    group = Group(f"{' '.join(above).capitalize()} settings", sort_key=len(above)) if above else None
    flag = Flag(
        name=flags or metavar, help=text, metavar=metavar, converter=_typed, negative=(), show_default=False, group=group
    )
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[hint | None, flag])


def _typed(_hint: object, tokens: Sequence[Token]) -> list[Typed]:
    return [Typed(token.value, token.keyword) for token in tokens]


def _identifier(leaf: Leaf) -> str:
    return "_".join(leaf.path)


def _put(flags: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *above, last = path
    for key in above:
        flags = flags.setdefault(key, {})
    flags[last] = value


def _help(leaf: Leaf) -> str:
    """Return the field's own text, with its default, and the kind it belongs to."""
    if leaf.path[:-1] in shape().choices and leaf.path[-1] == "kind":
        return f"How many workers are needed. Default: {shape().choices[leaf.path[:-1]].default}."
    kind = f"kind {' or '.join(leaf.kinds)}: " if leaf.kinds else ""
    default = leaf.field.default
    if default is None:
        return f"{kind}{leaf.field.description}"
    text = ", ".join(one.url for one in default) if leaf.many else f"{default:g}" if isinstance(default, float) else default
    return f"{kind}{leaf.field.description} Default: {text}."


def _metavar(leaf: Leaf) -> str:
    if leaf.many:
        return "URL"
    if leaf.path[-1] == "kind" and leaf.path[:-1] in shape().choices:
        return "|".join(shape().choices[leaf.path[:-1]].members)
    types = _types(leaf.field.annotation)
    return next((name for kind, name in _METAVARS.items() if kind in types), "TEXT")


def _types(annotation: Any) -> set[object]:  # noqa: ANN401 - any annotation
    return {annotation}.union(*(_types(part) for part in get_args(annotation) if not isinstance(part, bool)))
