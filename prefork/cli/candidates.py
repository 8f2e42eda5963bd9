"""The policies that are held against one another: configs as `serve` would read them, and other servers' own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.cli.options import said
from prefork.errors import ConfigError
from prefork.layers import Sources, load
from prefork.layers.load import DEFAULT_FILE
from prefork.policy import engine
from prefork.simulation import Host
from prefork.simulation.durations import as_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.layers import Loaded
    from prefork.policy.config import PoolConfig
    from prefork.simulation.master import Decide

ANY_APP = "any:app"
"""A config of nothing but [pool] is enough for a simulation."""


class Candidate(NamedTuple):
    """One policy on one host, by the name of its column."""

    name: str
    config: PoolConfig
    host: Host
    decide: Decide


def candidate(file: str | None, flag: str, host: Host) -> Candidate:
    """Return what the file says, as `serve` would read it; None: ./prefork.toml or defaults. Raises ConfigError."""
    if file is not None and not Path(file).exists():
        raise ConfigError(f"{flag} {file}: there is no such file")
    loaded = load(Sources.here(file, {"app": ANY_APP}, {"app": "APP"}))
    return Candidate(_name(file), loaded.config.pool, _with_backlog(host, loaded), engine.decide)


def host_of(spawn_time: str | None) -> Host:
    """Return the machine that the flags describe. Raises ConfigError."""
    if spawn_time is None:
        return Host()
    said("--spawn-time", as_ns, spawn_time)
    return Host(spawn_time=spawn_time)


def distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return them with names of their own."""
    seen: dict[str, int] = {}
    named = []
    for each in candidates:
        seen[each.name] = seen.get(each.name, 0) + 1
        named.append(each if seen[each.name] == 1 else each._replace(name=f"{each.name} ({seen[each.name]})"))
    return named


def _name(file: str | None) -> str:
    return file or (DEFAULT_FILE if Path(DEFAULT_FILE).is_file() else "defaults")


def _with_backlog(host: Host, loaded: Loaded) -> Host:
    return replace(host, backlog=loaded.config.listen[0].backlog)
