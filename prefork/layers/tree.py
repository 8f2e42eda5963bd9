"""Nested settings in which each value knows who said it, and how one layer covers another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prefork.layers.shape import Choice, Path


class Said(NamedTuple):
    """A value and who said it."""

    value: Any
    source: str
    """`prefork.toml`, `PREFORK_POOL_MAX_WORKERS`, `--max-workers`, `APP`."""
    file: bool
    """The source is a file, so that a message must name the field as well."""


Tree: TypeAlias = "dict[str, Said | Tree]"


def tree_of(plain: Mapping[str, Any], source: str) -> Tree:
    """Return the tree of one file."""
    return {
        key: tree_of(value, source) if isinstance(value, dict) else Said(value, source, file=True)
        for key, value in plain.items()
    }


def put(tree: Tree, path: Path, said: Said) -> None:
    """`path` in `tree` is `said`; tables on the way are made."""
    *above, last = path
    for key in above:
        below = tree.setdefault(key, {})
        assert isinstance(below, dict), path
        tree = below
    tree[last] = said


def cover(lower: Tree, upper: Tree, choices: Mapping[Path, Choice], path: Path = ()) -> Tree:
    """Return `lower` where `upper` says nothing, else `upper`; a table that `upper` gives another kind is `upper`'s."""
    merged = {} if _other_kind(lower, upper, choices.get(path)) else dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, dict):
            merged[key] = cover(below if isinstance(below, dict) else {}, value, choices, (*path, key))
        else:
            merged[key] = value
    return merged


def _other_kind(lower: Tree, upper: Tree, choice: Choice | None) -> bool:
    named, known = upper.get("kind"), lower.get("kind")
    if choice is None or not isinstance(named, Said):
        return False
    return bool(named.value != (known.value if isinstance(known, Said) else choice.default))


def plain(tree: Tree) -> dict[str, Any]:
    """Return the values alone."""
    return {key: plain(value) if isinstance(value, dict) else value.value for key, value in tree.items()}


def flat(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Said]]:
    """Every value with its path."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, key))
        else:
            yield (*path, key), value
