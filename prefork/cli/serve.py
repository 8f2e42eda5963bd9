"""`prefork serve`: everything is checked, then this process becomes the master."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from prefork.cli.flags import Typed, sources_of, with_settings
from prefork.cli.loops import own_path, require_backend
from prefork.errors import PreforkError
from prefork.layers import load, require_app
from prefork.master.handover import Handover, command
from prefork.master.tls import check_tls

if TYPE_CHECKING:
    from prefork.layers import Loaded, Sources


@with_settings
def serve(*words: Typed, **said: Typed | list[Typed]) -> int:
    """Serve APP until a stop."""
    sources = sources_of(words, said)
    loaded = load(sources)
    require_app(loaded)
    require_backend(loaded)
    check_tls(loaded.config)
    return become_master(loaded, sources)


def become_master(loaded: Loaded, sources: Sources) -> int:
    """Exec a master that imports neither cyclopts nor pydantic; the sources are read again at each HUP.

    Returns never; raises PreforkError where this interpreter can't be started again.
    """
    told = Handover(
        loaded.config.plain(),
        own_path(),
        loaded.app_path,
        loaded.origins,
        loaded.config_file,
        sources.to_json(),
    )
    number = told.to_file()
    os.set_inheritable(number, True)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execv(sys.executable, command("prefork.master", str(number)))  # noqa: S606 - no shell
    except (OSError, ValueError) as error:
        raise PreforkError(f"serve: {sys.executable!r} can't be started again: {error}") from None
