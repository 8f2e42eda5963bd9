"""`prefork stop`: ask, then wait until the process is gone."""

from __future__ import annotations

import os
import time
from typing import Annotated

from cyclopts import Parameter

from prefork.cli.instances import Config, Control, find
from prefork.client import Connection, GoneError, wait_for_end
from prefork.errors import ConfigError, PreforkError
from prefork.policy.units import parse_duration

Timeout = Annotated[
    str | None,
    Parameter(
        negative=(), help='Wait no longer than this, such as "30s". Left out: as long as it takes; 0: not at all.'
    ),
]
_LOOK_EVERY = 0.05
"""Seconds; only where the master's pid can't be seen from here."""


def stop(*, config: Config = None, control: Control = None, timeout: Timeout = None) -> int:
    """Stop a running instance and wait until it is gone."""
    patience = _seconds(timeout)
    with Connection(find(config, control)) as connection:
        pid = connection.pid
        pidfd = os.pidfd_open(pid) if pid else None  # before the stop: later, the pid could be somebody else's
        started = time.monotonic()
        connection.ask("stop")
    gone = _wait_for_silence(connection, patience) if pidfd is None else wait_for_end(pidfd, patience)
    if patience == 0:
        print(f"stop: asked (pid {pid})")  # noqa: T201 - the command's output
    elif gone:
        print(f"stop: gone after {time.monotonic() - started:.1f} s (pid {pid})")  # noqa: T201 - the command's output
    else:
        raise PreforkError(f"stop: pid {pid} is still there after {timeout}; it goes on stopping: see prefork status")
    return 0


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--timeout: {error}") from None


def _wait_for_silence(connection: Connection, timeout: float | None) -> bool:
    """Wait until nobody listens any more at a socket whose master lives in another pid namespace."""
    until = None if timeout is None else time.monotonic() + timeout
    while until is None or time.monotonic() < until:
        try:
            Connection(connection.path).__exit__(None, None, None)
        except GoneError:
            return True
        time.sleep(_LOOK_EVERY)
    return False
