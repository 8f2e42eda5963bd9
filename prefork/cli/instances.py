"""Which instance is meant: by `--control PATH`, by `-c FILE`, or alone where one runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from prefork.client import Connection, GoneError
from prefork.errors import ConfigError, PreforkError
from prefork.places import control_folder, control_sockets

if TYPE_CHECKING:
    from collections.abc import Sequence

Config = Annotated[str | None, Parameter(name=["--config", "-c"], negative=(), help="Its config file.")]
Control = Annotated[str | None, Parameter(name="--control", negative=(), help="Its control socket.")]

_PROBE_TIMEOUT = 2.0
_FILES = ("prefork.toml", "pyproject.toml")


class Instance(NamedTuple):
    """One that answered."""

    control: Path
    master: dict[str, Any]

    def __str__(self) -> str:
        file = self.master.get("config_file")
        return f"{self.master.get('name', 'prefork')} (pid {self.master.get('pid')}{f', -c {file}' if file else ''})"


def find(config: str | None, control: str | None) -> Path:
    """Return the control socket of the instance that is meant. Raises PreforkError where there is none, or several."""
    if config is not None and control is not None:
        raise ConfigError("-c and --control: one of them is enough")
    if control is not None:
        return Path(control)
    if config is not None:
        return _of_file(config)
    return _said_here() or _alone()


def _said_here() -> Path | None:
    """Return the socket that PREFORK_CONTROL or the config here names: its orders must not reach another's pool."""
    named = os.environ.get("PREFORK_CONTROL", "")
    if named not in ("", "false"):
        return Path(named)
    for file in _FILES:
        if Path(file).is_file() and _said_in(file, asked_for=False) is not None:
            return _of_file(file)
    return None


def _said_in(file: str, *, asked_for: bool) -> Path | None:
    """Return the file's own `control`, if it is a path; the rest of the file may be wrong while its instance runs."""
    from prefork.layers.files import anchored, read_file  # noqa: PLC0415 - 0.1 s, and most calls have no file to read

    found = read_file(file, str(Path.cwd()), asked_for=asked_for)
    if found is None:
        return None
    control = anchored(found.settings, found.path.parent).get("control")
    return Path(control) if isinstance(control, str) and control != "false" else None


def journal_of(config: str | None) -> str | None:
    """The journal that the config file names, or that the one here does."""
    from prefork.layers.files import anchored, read_file  # noqa: PLC0415 - as in `_said_in`

    for file in _FILES if config is None else (config,):
        found = read_file(file, str(Path.cwd()), asked_for=config is not None)
        if found is not None:
            journal = anchored(found.settings, found.path.parent).get("journal")
            path = journal.get("path") if isinstance(journal, dict) else None
            return path if isinstance(path, str) and path else None
    return None


def _of_file(file: str) -> Path:
    """Return the socket that the file names, or, where nobody listens there, that of an instance that read the file."""
    said = _said_in(file, asked_for=True)
    if said is not None and _listens(said):
        return said
    real = os.path.realpath(file)
    matching = [one for one in _running(control_sockets()) if one.master.get("config_file") == real]
    if not matching and said is not None:
        return said
    if not matching:
        raise PreforkError(f"-c {file}: no instance with this config runs (looked in {control_folder()})")
    return _only(matching)


def _alone() -> Path:
    listening = [path for path in control_sockets() if _listens(path)]
    if not listening:
        raise PreforkError(f"no instance of prefork runs (looked in {control_folder()}): say -c FILE or --control PATH")
    return listening[0] if len(listening) == 1 else _only(_running(listening))


def _only(instances: Sequence[Instance]) -> Path:
    if len(instances) == 1:
        return instances[0].control
    listed = ", ".join(f"{one} at {one.control}" for one in instances)
    raise ConfigError(f"{len(instances)} instances run: {listed}: say which one: --control PATH")


def _listens(path: Path) -> bool:
    """Tell whether somebody takes connections there; one that can't be reached for another reason still counts."""
    try:
        with Connection(path, _PROBE_TIMEOUT):
            return True
    except GoneError:
        return False
    except PreforkError:
        return True


def _running(paths: Sequence[Path]) -> list[Instance]:
    """Return those that answer; stale sockets, and masters that are just ending, are skipped."""
    found = []
    for path in paths:
        try:
            with Connection(path, _PROBE_TIMEOUT) as connection:
                found.append(Instance(path, connection.ask("status").get("master", {})))
        except PreforkError:
            continue
    return found
