"""What a process is told that becomes a master, or that is started as one: it crosses as a pickle in a memory file."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from prefork.config import ServerConfig


class Handover(NamedTuple):
    """The whole of it."""

    config: ServerConfig
    """In its plain form, its certificates judged: nothing of it is judged again."""
    sys_path: list[str]
    """Of a mold."""
    app_path: str | None = None
    """What goes first on it."""
    origins: dict[str, str] = {}  # noqa: RUF012 - never written to
    """Dotted field -> who said it."""
    config_file: str | None = None
    sources: dict[str, Any] | None = None
    """What a reload reads: layers.Sources, as JSON. None: the certificates, and nothing else."""
    announce: int | None = None
    """A descriptor that gets one JSON line when clients may come, and one with `error` when the pool can't go on."""
    parent: int | None = None
    """The pid of the process whose end stops the pool."""

    def to_file(self) -> int:
        """Return a descriptor, which an exec would close, of a file that only this process and its successor see."""
        number = os.memfd_create("prefork-handover")
        with os.fdopen(number, "wb", closefd=False) as file:
            pickle.dump(self, file)
        return number

    @classmethod
    def from_file(cls, number: int) -> Handover:
        """Return what `to_file` wrote; the descriptor is closed."""
        with os.fdopen(number, "rb") as file:
            file.seek(0)
            told: Handover = pickle.load(file)  # noqa: S301 - nobody else could write there
        return told


def command(module: str, *args: str) -> list[str]:
    """Return the argv of a program of prefork's own, for this very interpreter: what -W, -X, -B … said holds too."""
    # the standard library alone knows how to write flags down again
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001
    return [sys.executable, *flags, "-P", "-m", module, *args]
