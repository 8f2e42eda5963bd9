"""`python -m prefork.master.judge` reads a config for a master, which keeps neither pydantic nor what reads files.

Theory. A memory file is its stdin, as `judges` tells. The question has `version`, `asker` (a pid), and `sources`
(layers.Sources), `shadow` (a file), or both. The answer is a ConfigRead (of the shadow alone: its [pool] table, plain),
or the error that refuses it. A prefork that was installed since the master started answers nothing but that: its config
may have other fields. A judge ends with its master, even where a file holds it up.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
from typing import TYPE_CHECKING, Any, TypeVar

from prefork.errors import ConfigError, PreforkError
from prefork.layers import Sources, load, policy_of
from prefork.master.facts import ConfigRead
from prefork.master.tls import check_tls
from prefork.mold import linux
from prefork.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.policy.config import PoolConfig

_T = TypeVar("_T")


def main() -> None:
    """Answer one question."""
    with open(0, "r+b") as file:
        question = json.load(file)
        linux.die_with_parent(signal.SIGKILL)
        if os.getppid() == question["asker"]:
            pickle.dump(answer(question), file)


def answer(question: dict[str, Any]) -> ConfigRead | PoolConfig | PreforkError:
    """Return what was read, or what refuses it."""
    if question["version"] != VERSION:
        return ConfigError(
            f"reload: prefork {question['version']} runs, and {VERSION} is installed by now: stop it, and start it anew"
        )
    shadow: str | None = question.get("shadow")
    candidate = None if shadow is None else _unless_refused(lambda: policy_of(shadow).plain())
    if "sources" not in question:
        assert candidate is not None
        return candidate
    return _unless_refused(lambda: _config(question["sources"], candidate))


def _config(sources: dict[str, Any], candidate: PoolConfig | PreforkError | None) -> ConfigRead:
    loaded = load(Sources.from_json(sources))
    check_tls(loaded.config)
    return ConfigRead(loaded.config.plain(), loaded.origins, candidate)


def _unless_refused(read: Callable[[], _T]) -> _T | PreforkError:
    try:
        return read()
    except PreforkError as error:
        return error


if __name__ == "__main__":
    main()
