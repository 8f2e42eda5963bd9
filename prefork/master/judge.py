"""`python -m prefork.master.judge` reads a config for a master, which keeps neither pydantic nor what reads files.

Theory. A socket is its stdin: it gets one JSON object, which ends with the input, of `version` and either `sources`
(layers.Sources) or `shadow` (a file), and answers with one pickle: what was read, in its plain form, or the error that
refuses it. `reading` asks. A prefork that was installed since the master started answers nothing but that: its config
may have other fields.
"""

from __future__ import annotations

import json
import pickle
import socket
from typing import Any

from prefork.errors import ConfigError, PreforkError
from prefork.layers import Sources, load, policy_of
from prefork.master.tls import check_tls
from prefork.version import VERSION


def main() -> None:
    """Answer one question."""
    with socket.socket(fileno=0) as asker, asker.makefile("rwb") as stream:
        pickle.dump(answer(json.load(stream)), stream)


def answer(question: dict[str, Any]) -> object:
    """Return what was read, or the PreforkError that refuses it."""
    try:
        return _read(question)
    except PreforkError as error:
        return error


def _read(question: dict[str, Any]) -> object:
    if question["version"] != VERSION:
        raise ConfigError(
            f"reload: prefork {question['version']} runs, and {VERSION} is installed by now: stop it, and start it anew"
        )
    if "shadow" in question:
        return policy_of(question["shadow"]).plain()
    loaded = load(Sources.from_json(question["sources"]))
    check_tls(loaded.config)
    return loaded.config.plain(), loaded.origins


if __name__ == "__main__":
    main()
