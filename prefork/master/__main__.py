"""`python -m prefork.master FD`: what `prefork serve` becomes, and what `prefork.testing` starts. FD: a Handover.

Nothing here imports pydantic, nor what reads files: a master has half the memory without them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from prefork.errors import AppError, PreforkError
from prefork.master.handover import Handover
from prefork.master.judges import read_policy
from prefork.master.master import Setup, run_master
from prefork.master.signals import hold_signals
from prefork.mold import linux
from prefork.mold.title import set_title


def main() -> int:
    """Serve; returns the exit code."""
    hold_signals()
    told = Handover.from_file(int(sys.argv[1]))
    if told.announce is not None:
        os.set_inheritable(told.announce, False)
    if told.parent is not None:
        linux.die_with_parent(signal.SIGTERM)
        if os.getppid() != told.parent:
            return 0
    try:
        _serve(told)
    except PreforkError as error:
        _say(told.announce, {"error": str(error), "kind": type(error).__name__})
        print(f"prefork: {error}", file=sys.stderr)  # noqa: T201 - the program's own last words
        if isinstance(error, AppError) and error.frames:
            print(error.frames.rstrip(), file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _serve(told: Handover) -> None:
    set_title(told.config.name, "master")
    run_master(
        told.config,
        Setup(
            told.sources,
            told.sys_path,
            told.app_path,
            told.config_file,
            lambda said: _say(told.announce, said),
            told.origins,
            read_policy,
            alone=True,
        ),
    )


def _say(announce: int | None, said: dict[str, Any]) -> None:
    if announce is not None:
        os.write(announce, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
