"""The app and its loop, made from their names, the loop first: it may have to prepare the process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.app.app import load_app
from prefork.backends.options import make_options, prepare
from prefork.backends.registry import load_backend

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
    backend = load_backend(wanted.backend)
    options = make_options(backend, wanted.options)
    prepare(backend, options)
    return Imported(load_app(wanted.app), backend, options)
