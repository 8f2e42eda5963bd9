"""What style the app is written in, and which loops can run it: asked in children, since neither is imported here."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from prefork.backends.registry import cannot_run, known_backends
from prefork.cli.loops import ask
from prefork.errors import AppError, ConfigError
from prefork.master.facts import signal_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.layers import Loaded

NO = "no"
UNUSABLE = "can't be used"


class Verdict(NamedTuple):
    """An app's style, and how each loop that is installed runs it."""

    style: str
    loops: Mapping[str, str]
    """native, bridged, no, or that it can't be used; by name."""


def judge(loaded: Loaded, sys_path: list[str]) -> Verdict:
    """Import the app in a child, as a mold would. Raises AppError, with the user's own frames, where it is broken."""
    style = _style(loaded, sys_path)
    answers = ask(dict.fromkeys(each.name for each in known_backends()))
    return Verdict(
        style,
        {name: UNUSABLE if answer.error else answer.styles.get(style, NO) for name, answer in sorted(answers.items())},
    )


def require_match(verdict: Verdict, backend: str) -> None:
    """Refuse a loop that can't run the app. Raises ConfigError, as the mold does."""
    if verdict.loops.get(backend) == NO:
        can = [name for name, how in verdict.loops.items() if how not in (NO, UNUSABLE)]
        raise ConfigError(cannot_run(backend, verdict.style, can))


def _style(loaded: Loaded, sys_path: list[str]) -> str:
    config = loaded.config
    question = {
        "app": config.app,
        "backend": config.backend,
        "options": config.backends.get(config.backend, {}),
        "sys_path": sys_path,
        "app_path": loaded.app_path,
    }
    patience = config.pool.import_timeout
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "prefork.mold.probe"],
            input=json.dumps(question, default=str),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AppError(f"app {config.app!r}: importing it took longer than import_timeout ({patience:g} s)") from None
    try:
        told = json.loads(done.stdout)
    except ValueError:
        how = _ended(done.returncode)
        raise AppError(f"app {config.app!r}: the process that imported it ended ({how})") from None
    if "error" in told:
        raise AppError(told["error"], told["frames"])
    return str(told["style"])


def _ended(code: int) -> str:
    """As the master says it."""
    return f"exit code {code}" if code >= 0 else signal_name(-code)
