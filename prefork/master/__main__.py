"""`python -m prefork.master FD`: what `prefork serve` becomes, and what `prefork.testing` starts.

FD holds one JSON object: `sources` (layers.Sources) or `config` (a ServerConfig), `sys_path`, and perhaps `announce`, a
descriptor that gets one JSON line when clients may come and one with `error` when the pool could not go on, and
`parent`, the pid of the process whose end stops the pool.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from typing import Any

from prefork.config import ServerConfig
from prefork.errors import AppError, PreforkError
from prefork.layers import Loaded, Sources, load, policy_of
from prefork.master.master import Setup, run_master
from prefork.master.signals import hold_signals
from prefork.mold import linux
from prefork.mold.title import set_title

_CONFIGS = 9
"""Those of the last reloads: a journal says where the settings of the one that is in force come from."""


def main() -> int:
    """Serve; returns the exit code."""
    hold_signals()
    fd = int(sys.argv[1])
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, encoding="utf-8") as file:
        told: dict[str, Any] = json.load(file)
    announce = told.get("announce")
    if announce is not None:
        os.set_inheritable(announce, False)
    if "parent" in told:
        linux.die_with_parent(signal.SIGTERM)
        if os.getppid() != told["parent"]:
            return 0
    try:
        _serve(told, announce)
    except PreforkError as error:
        _say(announce, {"error": str(error), "kind": type(error).__name__})
        print(f"prefork: {error}", file=sys.stderr)  # noqa: T201 - the program's own last words
        if isinstance(error, AppError) and error.frames:
            print(error.frames.rstrip(), file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _serve(told: dict[str, Any], announce: int | None) -> None:
    if "sources" in told:
        sources = Sources.from_json(told["sources"])
        loaded = load(sources)
    else:
        sources = None
        loaded = Loaded(ServerConfig.model_validate(told["config"]), {}, told.get("app_path"), None)

    set_title(loaded.config.name, "master")
    known = deque([loaded], maxlen=_CONFIGS)

    def reload() -> ServerConfig:
        if sources is not None:
            known.append(load(sources))
        return known[-1].config

    run_master(
        loaded.config,
        Setup(
            reload,
            told["sys_path"],
            loaded.app_path,
            loaded.config_file,
            lambda said: _say(announce, said),
            lambda config: next((each.origins for each in known if each.config is config), {}),
            policy_of,
            alone=True,
        ),
    )


def _say(announce: int | None, said: dict[str, Any]) -> None:
    if announce is not None:
        os.write(announce, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
