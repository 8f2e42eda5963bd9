"""The flags of `serve` and `check`, made from the config model: cyclopts parses them, pydantic alone judges the values.

cyclopts can nest pydantic models by itself, but not give a leaf a second, short name, nor leave a value unjudged; so
each leaf becomes one keyword parameter here, and what was typed comes back as text, with the flag that said it.
"""

from __future__ import annotations

from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, get_args

from cyclopts import Group
from cyclopts import Parameter as Flag

from prefork.layers import Sources
from prefork.layers.shape import Leaf, shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cyclopts import Token

_STATIC = "--workers"
"""The one flag that says two things: so many workers, and that their number is fixed."""
_CONFIG_HELP = "The config file. Left out: ./prefork.toml, if it is there."
_METAVARS = {Path: "PATH", float: "NUMBER", int: "N", str: "TEXT"}


class Typed(str):
    """One value on the command line, with the flag as it was typed; None: it stood alone.

    A text by itself, since cyclopts has pydantic compare the value with the parameter's type.
    """

    __slots__ = ("flag",)
    flag: str | None

    @classmethod
    def by(cls, token: Token) -> Self:
        """Return the token's value."""
        typed = cls(token.value)
        typed.flag = token.keyword
        return typed


def with_settings(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command(*words, **said)` one flag for each leaf of the config; it passes both on to `sources_of`."""
    command.__signature__ = Signature(list(_parameters()))  # type: ignore[attr-defined] # inspect reads it, no stub has it
    return command


def sources_of(words: tuple[Typed, ...], said: dict[str, Typed | list[Typed]]) -> Sources:
    """Return what the command line says, not judged yet."""
    flags: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for leaf in shape().leaves.values():
        typed = words[0] if words and leaf.path == ("app",) else said.get(_identifier(leaf))
        if typed is not None:
            first = typed[0] if isinstance(typed, list) else typed
            spelled[leaf.dotted] = first.flag or "APP"
            _put(flags, leaf.path, typed)
    config = said.get("config")
    if spelled.get("pool.sizing.workers") == _STATIC:
        flags["pool"]["sizing"].setdefault("kind", "static")
        spelled.setdefault("pool.sizing.kind", _STATIC)
    return Sources.here(str(config) if config is not None else None, flags, spelled)


def _parameters() -> list[Parameter]:
    """Return APP, `-c` and one parameter a leaf."""
    app = shape().leaves["app",].field.description
    file = Flag(name=("--config", "-c"), metavar="FILE", help=_CONFIG_HELP, group=_group(()))
    return [
        _parameter("app", str, Flag(name="APP", help=app)).replace(kind=Parameter.POSITIONAL_ONLY),
        _parameter("config", str, file),
        *(_leaf_parameter(leaf) for leaf in shape().leaves.values() if leaf.path != ("app",)),
    ]


def _leaf_parameter(leaf: Leaf) -> Parameter:
    flag = Flag(name=shape().flags(leaf), metavar=_metavar(leaf), help=_help(leaf), group=_group(leaf.path[:-1]))
    return _parameter(_identifier(leaf), list[str] if leaf.many else str, flag)


def _parameter(name: str, hint: Any, *flags: Flag) -> Parameter:  # noqa: ANN401 - a type
    raw = Flag(converter=_one if hint is str else _several, negative=(), show_default=False)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[(hint | None, raw, *flags)])


@cache
def _group(above: tuple[str, ...]) -> Group:
    """Return the panel of one table; the panels stand in the order of the model."""
    tables = list(dict.fromkeys(leaf.path[:-1] for leaf in shape().leaves.values()))
    return Group(" ".join(above).capitalize() or "Instance", sort_key=tables.index(above))


def _one(_hint: object, tokens: Sequence[Token]) -> Typed:
    return Typed.by(tokens[0])


def _several(_hint: object, tokens: Sequence[Token]) -> list[Typed]:
    return [Typed.by(token) for token in tokens]


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
    text = (
        ", ".join(one.url for one in default)
        if leaf.many
        else f"{default:g}"
        if isinstance(default, float)
        else default
    )
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
