"""Which loops can be used: one that isn't installed is refused, and what a loop says of itself is asked in a child."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prefork.backends.registry import KnownBackend
    from prefork.layers import Loaded

PATIENCE_S = 20.0
"""A backend that isn't loaded by then hangs."""


class Answer(NamedTuple):
    """What a backend says of itself, or what is wrong with it."""

    styles: Mapping[str, str] = MappingProxyType({})
    """How it runs each style of app that it can run: native or bridged."""
    about: str = ""
    error: str = ""


def require_backend(loaded: Loaded) -> None:
    """Refuse a backend that isn't installed. Raises ConfigError, which lists those that are."""
    name = loaded.config.backend
    if name == type(loaded.config).model_fields["backend"].default:
        return  # ours is always there, and asking every distribution costs 50 ms
    from prefork.backends.registry import known_backends, unknown  # noqa: PLC0415 - as above

    known = [each.name for each in known_backends()]
    if name not in known:
        raise ConfigError(f"{loaded.blame('backend')}: {unknown(name, known)}")


def require_options(loaded: Loaded) -> None:
    """Refuse a backend that can't be loaded, or has not the options that it is given. Raises ConfigError."""
    name = loaded.config.backend
    (answer,) = ask({name: loaded.config.backends.get(name, {})}).values()
    if answer.error:
        raise ConfigError(answer.error)


def ask(options: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Answer]:
    """The answer of each backend in a child of its own, all at once; with options, whether it has those."""
    children = {name: _ask({"name": name, "options": given}) for name, given in options.items()}
    return {name: _answer(name, child) for name, child in children.items()}


def describe(known: Sequence[KnownBackend]) -> str:
    """A line for each: its name, who provides it, what it is or what is wrong with it."""
    answers = ask(dict.fromkeys(each.name for each in known))
    rows = [(each.name, _provider(each), _said(each, answers[each.name])) for each in known]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {provider:{widths[1]}}  {said}" for name, provider, said in rows)


def _provider(backend: KnownBackend) -> str:
    return backend.distribution + (f", instead of {backend.instead_of}" if backend.instead_of else "")


def _said(backend: KnownBackend, answer: Answer) -> str:
    if answer.error:
        known = f"backend {backend.name!r} of {backend.distribution} "
        return f"can't be used: {answer.error.removeprefix(known)}"
    ways = [(how, [style for style, way in answer.styles.items() if way == how]) for how in ("native", "bridged")]
    return "; ".join(f"{how} {', '.join(styles)}" for how, styles in ways if styles) + f": {answer.about}"


def own_path() -> list[str]:
    """sys.path, absolute, without the script's folder, which the interpreter put there unless told -P."""
    given = sys.path if sys.flags.safe_path else sys.path[1:]
    return [os.path.abspath(each) for each in given]


def _ask(question: dict[str, Any]) -> subprocess.Popen[str]:
    """A child that will answer."""
    memory = os.memfd_create("prefork-question")
    os.pwrite(memory, json.dumps(question | {"sys_path": sys.path}, default=str).encode(), 0)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "prefork.backends.probe"],
            stdin=memory,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    finally:
        os.close(memory)


def _answer(name: str, child: subprocess.Popen[str]) -> Answer:
    try:
        said, _ = child.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return Answer(error=f"backend {name!r}: it is not loaded after {PATIENCE_S:g} s")
    try:
        return Answer(**json.loads(said))
    except ValueError:
        return Answer(error=f"backend {name!r}: loading it ended the process ({child.returncode})")
