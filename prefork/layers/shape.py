"""The config model, read as a list of leaves: from it come the names of variables and flags and each "did you mean"."""

from __future__ import annotations

from collections import Counter
from functools import cache
from inspect import isclass
from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from prefork.config import ServerConfig
from prefork.layers.sources import PREFIX

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_SPELT_OUT = frozenset({"journal"})
"""Tables whose leaves say too little alone: `--path`."""
Path = tuple[str, ...]
"""A dotted field, split: `("pool", "max_workers")`."""


class Leaf(NamedTuple):
    """One value that variables and flags can say."""

    path: Path
    field: FieldInfo
    kinds: tuple[str, ...] = ()
    """The kinds of its table that know it; empty: its table has no kinds."""

    @property
    def dotted(self) -> str:
        """As messages and files say it."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + "_".join(self.path).upper()

    @property
    def many(self) -> bool:
        """It takes several values."""
        return get_origin(self.field.annotation) is tuple


class Choice(NamedTuple):
    """A table of several kinds."""

    default: str
    members: dict[str, frozenset[str]]
    """Kind -> its keys, `kind` included."""


class Shape(NamedTuple):
    """The whole model."""

    leaves: dict[Path, Leaf]
    tables: dict[Path, frozenset[str]]
    """Each table -> its keys, whatever the kind; `()` is the whole config."""
    choices: dict[Path, Choice]
    free: frozenset[Path]
    """Tables whose keys the model doesn't know."""

    def flags(self, leaf: Leaf) -> tuple[str, ...]:
        """Return the long flag, and the leaf alone where no other leaf has that name."""
        long = "--" + ".".join(part.replace("_", "-") for part in leaf.path)
        short = "--" + leaf.path[-1].replace("_", "-")
        unique = Counter(path[-1] for path in self.leaves)[leaf.path[-1]] == 1 and leaf.path[0] not in _SPELT_OUT
        return (long, short) if unique and short != long else (long,)


@cache
def shape() -> Shape:
    """Return the shape of ServerConfig."""
    found = Shape({}, {}, {}, frozenset(_free(ServerConfig)))
    _walk(ServerConfig, (), found, ())
    return found


def _free(model: type[BaseModel]) -> list[Path]:
    return [(name,) for name, field in model.model_fields.items() if get_origin(field.annotation) is dict]


def _walk(model: type[BaseModel], path: Path, found: Shape, kinds: tuple[str, ...]) -> None:
    """Put the leaves of one table, and of those in it, into `found`."""
    found.tables[path] = found.tables.get(path, frozenset()) | frozenset(model.model_fields)
    for name, field in model.model_fields.items():
        here = (*path, name)
        if here in found.free:
            continue
        members = models_in(field.annotation)
        if not members:
            known = found.leaves.get(here)
            found.leaves[here] = Leaf(here, known.field if known else field, (*(known.kinds if known else ()), *kinds))
            continue
        if field.discriminator is not None:
            found.choices[here] = _choice(field, members)
        for member in members:
            _walk(member, here, found, (_kind(member),) if here in found.choices else ())


def models_in(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - any annotation
    """Return the tables that a field may hold; none where it holds a value."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [option for option in options if isclass(option) and issubclass(option, BaseModel)]


def _kind(member: type[BaseModel]) -> str:
    return str(member.model_fields["kind"].default)


def _choice(field: FieldInfo, members: list[type[BaseModel]]) -> Choice:
    default = field.get_default(call_default_factory=False)
    return Choice(str(default.kind), {_kind(member): frozenset(member.model_fields) for member in members})
