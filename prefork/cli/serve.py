"""`prefork serve`: everything is checked, then this process becomes the master."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from prefork.cli.flags import Typed, sources_of, with_settings
from prefork.cli.loops import own_path, require_backend
from prefork.errors import PreforkError
from prefork.layers import load, require_app
from prefork.master.tls import check_tls

if TYPE_CHECKING:
    from prefork.layers import Sources


@with_settings
def serve(*words: Typed, **said: Typed | list[Typed]) -> int:
    """Serve APP until a stop."""
    sources = sources_of(words, said)
    loaded = load(sources)
    require_app(loaded)
    require_backend(loaded)
    check_tls(loaded.config)
    return become_master(sources)


def become_master(sources: Sources) -> int:
    """Exec a master that imports neither cyclopts nor rich; it reads the sources again, as it will at each HUP.

    Returns never; raises PreforkError where this interpreter can't be started again.
    """
    number = _memory_file({"sources": sources.to_json(), "sys_path": own_path()})
    # what -W, -X, -B … said holds for the master too; the standard library alone knows how to write it down again
    again: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined] # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execv(sys.executable, [sys.executable, *again, "-P", "-m", "prefork.master", str(number)])  # noqa: S606 - no shell
    except (OSError, ValueError) as error:
        raise PreforkError(f"serve: {sys.executable!r} can't be started again: {error}") from None


def _memory_file(content: dict[str, Any]) -> int:
    """Return an inheritable descriptor, at its beginning, of a file that only this process and its successor see."""
    number = os.memfd_create("prefork-sources", 0)
    with os.fdopen(number, "w", closefd=False) as file:
        json.dump(content, file)
    os.lseek(number, 0, os.SEEK_SET)
    return number
