"""Where control sockets live: a folder a user, `$XDG_RUNTIME_DIR/prefork` or `/tmp/prefork-UID`; a file an instance."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.errors import PreforkError

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX = ".ctl"


class PlaceError(PreforkError):
    """The folder of the control sockets can't be made, or others could put sockets of their own into it."""


def control_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this user's control sockets; it need not exist.

    A relative XDG_RUNTIME_DIR counts as unset, as the XDG Base Directory Specification wants it.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return Path(runtime) / "prefork"
    return Path(f"/tmp/prefork-{os.geteuid()}")  # noqa: S108 - guarded by `safe_folder`: ours, mode 0700, no link


def default_control(pid: int, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the control socket of the master `pid` where the config names none."""
    return control_folder(environ) / f"{pid}{SUFFIX}"


def make_control_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Make the folder, ours and shut to everybody else, where it isn't there yet. Raises PlaceError."""
    folder = control_folder(environ)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise PlaceError(f"{folder}: the folder of control sockets can't be made: {error.strerror}") from None
    return safe_folder(folder)


def control_sockets(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return every control socket in the folder, by name; some may be stale. Raises PlaceError for an unsafe folder."""
    folder = control_folder(environ)
    if not os.path.lexists(folder):
        return []
    return sorted(safe_folder(folder).glob(f"*{SUFFIX}"))


def safe_folder(folder: Path) -> Path:
    """Return `folder` if it is a real folder, ours, with no permission for others. Raises PlaceError."""
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise PlaceError(f"{folder}: the folder of control sockets can't be read: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise PlaceError(f"{folder}: it is not a folder: move it away, or set control to another path")
    if found.st_uid != os.geteuid():
        raise PlaceError(
            f"{folder}: it belongs to uid {found.st_uid}, not to uid {os.geteuid()}: set control to another path"
        )
    if mode := stat.S_IMODE(found.st_mode) & 0o077:
        raise PlaceError(f"{folder}: others have access (mode {mode:03o} of 077): chmod 700 {folder}")
    return folder
