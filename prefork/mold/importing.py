"""The app and its loop, made from their names, the loop first: it may have to prepare the process."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from prefork.app.app import load_app
from prefork.backends.options import make_options, prepare
from prefork.backends.registry import KnownBackend, known_backends, load_backend
from prefork.mold import linux

if TYPE_CHECKING:
    from prefork.app.app import App
    from prefork.backends.contract import Backend


class Imports(NamedTuple):
    """What is to be imported; plain values."""

    app: str
    backend: str
    options: dict[str, Any]
    sys_path: list[str]
    app_path: str | None
    """Folder that goes first on sys.path; None: the file's own."""


class Imported(NamedTuple):
    """What came of it."""

    app: App
    backend: Backend
    options: object


def import_all(wanted: Imports) -> Imported:
    """Import the loop, let it prepare the process, import the app. Raises ConfigError; AppError for the app."""
    sys.path[:] = wanted.sys_path
    if wanted.app_path is not None:
        sys.path.insert(0, wanted.app_path)
    backend = load_backend(wanted.backend, _installed())
    options = make_options(backend, wanted.options)
    prepare(backend, options)
    return Imported(load_app(wanted.app), backend, options)


def _installed() -> list[KnownBackend] | None:
    """What `known_backends` says in a child, so that no worker has in its memory what only that look needs.

    None: there is no such answer, as where no process is to be had.
    """
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if not child:
        _answer(writing)
    os.close(writing)
    with open(reading, encoding="utf-8") as answers:
        told = answers.read()
    os.waitpid(child, 0)
    return [KnownBackend(*each) for each in json.loads(told)] if told else None


def _answer(writing: int) -> NoReturn:
    """In the child, which ends with its parent: it holds what that holds."""
    try:
        linux.die_with_parent(signal.SIGKILL)
        with open(writing, "w", encoding="utf-8") as answers:
            json.dump(known_backends(), answers)
    finally:
        os._exit(0)
