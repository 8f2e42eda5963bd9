"""`prefork pause`, `resume`, `scale`, `reload`, `drain`: one order to a running instance, and what came of it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from prefork.cli.instances import Config, Control, find
from prefork.client import ANSWER_TIMEOUT, Connection
from prefork.errors import AppError, ConfigError, PreforkError
from prefork.master.judges import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

_WORKER = Parameter(help="A worker's number, as `prefork status` shows it.")
Worker = Annotated[str | None, _WORKER]
Named = Annotated[str, _WORKER]
Size = Annotated[str, Parameter(help="8, 4..12, or auto.")]
_LOOK_EVERY = 0.05
"""Seconds between two looks at what came of an order: a reload takes as long as the app's import."""
_OBEYED_WITHIN = 2.0


def pause(worker: Worker = None, /, *, config: Config = None, control: Control = None) -> int:
    """Accept nobody any more, in all workers or in one; sessions go on. Returns when they have obeyed."""
    path = find(config, control)
    named = _named(worker)
    _order(path, "pause", **named)
    until = time.monotonic() + _OBEYED_WITHIN
    while late := _still_open(path, named.get("worker")):
        if time.monotonic() > until:
            raise PreforkError(
                f"pause: worker {late[0]} has not obeyed in {_OBEYED_WITHIN:g} s, and will when its loop turns"
            )
        time.sleep(_LOOK_EVERY)
    return 0


def _still_open(path: Path, worker: int | None) -> list[int]:
    """The workers whose gate is open, of all or of the one."""
    rows = _order(path, "status")["workers"]
    return [row["id"] for row in rows if row["phase"] == "serving" and not row["gate"] and worker in (None, row["id"])]


def resume(worker: Worker = None, /, *, config: Config = None, control: Control = None) -> int:
    """Take the operator's pause back."""
    _order(find(config, control), "resume", **_named(worker))
    return 0


def drain(worker: Named, /, *, config: Config = None, control: Control = None) -> int:
    """Let one worker finish its sessions and go; another takes its place."""
    _order(find(config, control), "drain", **_named(worker))
    return 0


def scale(size: Size, /, *, config: Config = None, control: Control = None) -> int:
    """Keep N workers, or between LOW..HIGH, or as many as the config says: auto."""
    _order(find(config, control), "scale", **_bounds(size))
    return 0


def reload(*, config: Config = None, control: Control = None) -> int:
    """Read config and code again; every worker is replaced, no session lost."""
    path = find(config, control)
    patience = ANSWER_TIMEOUT + 2 * PATIENCE_S  # it answers when the config is read; one that is read now goes before
    with Connection(path, patience) as connection:
        answer = connection.ask("reload")
    serving = int(answer["generation"])
    before = int(answer.get("newest", serving))  # one that imports already has not seen what is to be read now
    while True:
        status = _order(path, "status")
        now = int(status["master"]["generation"])
        if now > before:
            print(  # noqa: T201 - the command's output
                f"reload: generation {now} has imported the app; workers of older ones go as its own are ready: see "
                "`prefork status`"
            )
            return 0
        for mold in status["mold"]:
            if mold["generation"] > before and mold["phase"] in ("failed", "gone"):
                why = mold["error"] or "the process that imported it ended"
                raise AppError(f"reload: generation {serving} goes on: {why}")
        time.sleep(_LOOK_EVERY)


def _order(path: Path, command: str, **args: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    with Connection(path) as connection:
        return connection.ask(command, **args)


def _named(worker: str | None) -> dict[str, int]:
    if worker is None:
        return {}
    if not re.fullmatch(r"[0-9]{1,18}", worker, re.ASCII):
        raise ConfigError(f"{worker!r} is no worker's number: see the first column of prefork status")
    return {"worker": int(worker)}


def _bounds(size: str) -> dict[str, int]:
    """`auto` is no bounds at all."""
    if size == "auto":
        return {}
    found = re.fullmatch(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?", size, re.ASCII)
    if found is None:
        raise ConfigError(f"scale {size!r}: say a number of workers (8), bounds (4..12), or auto")
    return {"low": int(found[1]), "high": int(found[2] or found[1])}
