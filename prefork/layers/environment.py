"""The PREFORK_… variables: every leaf has one, and a name that nobody knows is an error."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from prefork.errors import ConfigError
from prefork.layers.shape import shape
from prefork.layers.sources import PREFIX
from prefork.layers.tree import Said, Tree, put

if TYPE_CHECKING:
    from collections.abc import Mapping

# Not ours to judge: PREFORK_TEST… belongs to test suites; the rest is what Kubernetes and Docker links put into every
# container that runs beside a service named prefork or prefork-something (PREFORK_PORT=tcp://10.0.0.1:80).
_FOREIGN = re.compile(
    r"PREFORK_(TEST(_.*)?"
    r"|(\w+_)?SERVICE_(HOST|PORT(_\w+)?)"
    r"|(\w+_)?PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
    r"|(\w+_)?ENV_\w+)",
)


def read_environment(environ: Mapping[str, str]) -> Tree:
    """Return what the variables say; a list is split at blanks and commas. Raises ConfigError for an unknown name."""
    leaves = {leaf.variable: leaf for leaf in shape().leaves.values()}
    tree: Tree = {}
    for name, text in sorted(environ.items()):
        if leaf := leaves.get(name):
            value = re.split(r"[\s,]+", text.strip(" ,")) if leaf.many else text
            put(tree, leaf.path, Said(value, name, file=False))
        elif name.startswith(PREFIX) and not _FOREIGN.fullmatch(name):
            raise ConfigError(f"{name}={text!r}: {_unknown(name, list(leaves))}")
    return tree


def _unknown(name: str, known: list[str]) -> str:
    if name.startswith(f"{PREFIX}BACKENDS_"):
        return "the options of a backend are read from a file: [backends.NAME]"
    if name.startswith(f"{PREFIX}POOLS_"):
        return "[pools.NAME] is reserved for several pools under one master"
    bare = {variable.removeprefix(PREFIX): variable for variable in known}
    said = name.removeprefix(PREFIX)
    alone = [each for each in bare if each.endswith(f"_{said}")]
    if close := alone or get_close_matches(said, bare, n=1):
        return f"unknown variable; did you mean {bare[close[0]]}?"
    return "unknown variable; `prefork serve --help` lists the flags, and each has one"
