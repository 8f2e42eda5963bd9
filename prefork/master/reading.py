"""How a master reads its config again: a child does it, and is waited for, a fifth of a second or so.

Theory. Only a reload needs what judges a config, so only a reload pays for it. Workers accept and serve meanwhile; what
the master has to know of them is in the slots and channels when it looks again.
"""

from __future__ import annotations

import json
import pickle
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from prefork.errors import ConfigError, PreforkError
from prefork.master.handover import command
from prefork.version import VERSION

if TYPE_CHECKING:
    from prefork.config import ServerConfig
    from prefork.policy.config import PoolConfig

PATIENCE_S = 30.0
"""A file that isn't read by then is on a disk that hangs."""


def read_config(sources: dict[str, Any]) -> tuple[ServerConfig, dict[str, str]]:
    """The config that the sources give now, and who said what. Raises ConfigError."""
    read: tuple[ServerConfig, dict[str, str]] = _ask({"sources": sources})
    return read


def read_policy(file: str) -> PoolConfig:
    """The [pool] table of a shadow's file. Raises ConfigError."""
    pool: PoolConfig = _ask({"shadow": file})
    return pool


def _ask(question: dict[str, Any]) -> Any:  # noqa: ANN401 - what the judge read
    ours, its = socket.socketpair()
    with ours:
        with its:
            child = _started(its)
        ours.settimeout(PATIENCE_S)
        try:
            ours.sendall(json.dumps(question | {"version": VERSION}).encode())
            ours.shutdown(socket.SHUT_WR)
            answer = ours.makefile("rb").read()
        except OSError:
            child.kill()
            answer = b""
    if child.wait() or not answer:
        raise ConfigError(f"what reads the config has ended, or took longer than {PATIENCE_S:g} s")
    read: object = pickle.loads(answer)  # noqa: S301 - of our own child
    if isinstance(read, PreforkError):
        raise read
    return read


def _started(its: socket.socket) -> subprocess.Popen[bytes]:
    """A judge, in a session of its own, so that Ctrl-C leaves it to the master."""
    try:
        return subprocess.Popen(command("prefork.master.judge"), stdin=its.fileno(), start_new_session=True)  # noqa: S603
    except OSError as error:
        raise ConfigError(f"what reads the config can't be started: {error.strerror}") from None
