"""The policies that are held against one another: configs as `serve` would read them, and other servers' own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.cli.options import said, share_of
from prefork.errors import ConfigError
from prefork.layers import load_policy
from prefork.layers.load import DEFAULT_FILE
from prefork.policy import engine
from prefork.simulation import Host
from prefork.simulation.durations import as_ns
from prefork.simulation.peers import PEERS, peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.layers import Loaded
    from prefork.policy.config import PoolConfig
    from prefork.simulation.master import Decide

ALL = "all"


class Candidate(NamedTuple):
    """One policy on one host, by the name of its column."""

    name: str
    config: PoolConfig
    host: Host
    decide: Decide


def candidate(file: str | None, flag: str, host: Host) -> Candidate:
    """Return what the file says, as `serve` would read it; None: ./prefork.toml or defaults. Raises ConfigError."""
    if file is not None and not os.path.exists(file):
        raise ConfigError(f"{flag} {file}: there is no such file")
    loaded = load_policy(file)
    return Candidate(_name(file), loaded.config.pool, _with_backlog(host, loaded), engine.decide)


def peers_of(names: Sequence[str], tried: Candidate) -> list[Candidate]:
    """Return other servers' policies, with the bounds of the config that is tried. Raises ConfigError.

    Of `all` those are left out that can't judge such a pool.
    """
    found = []
    for name in names:
        for known in PEERS if name == ALL else [name]:
            try:
                found.append(tried._replace(name=known, decide=peer(known, tried.config)))
            except ValueError as error:
                if name != ALL:
                    raise ConfigError(f"--peer: {error}") from None
    return found


def host_of(spawn_time: str | None, busy: str | None) -> Host:
    """Return the machine that the flags describe. Raises ConfigError."""
    host = Host()
    if spawn_time is not None:
        said("--spawn-time", as_ns, spawn_time)
        host = replace(host, spawn_time=spawn_time)
    if busy is not None:
        host = replace(host, busy=said("--busy", share_of, busy))
    return host


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
