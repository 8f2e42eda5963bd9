"""Which style a handler is written in. A backend says which styles it can run; today there is one, `session`.

Source: a style is told by the handler's form alone, before anything is called.
"""

from __future__ import annotations

import inspect
from typing import Literal

from prefork.app.session import Session

Style = Literal["session"]


def style_of(handler: object) -> Style:
    """The style of `handler`. Raises TypeError, in one line, for what is no handler."""
    if isinstance(handler, Session):
        raise TypeError(f"a {type(handler).__qualname__} object serves one connection: give the class, not an instance")
    if not callable(handler):
        raise TypeError(f"{handler!r:.60} is neither an App nor a callable that makes a Session")
    if inspect.iscoroutinefunction(handler):
        raise TypeError(f"{_name(handler)} is a coroutine function: give a Session class, or a callable that makes one")
    needed = _required(handler)
    if needed:
        raise TypeError(
            f"{_name(handler)} needs arguments ({', '.join(needed)}), but a Session is made without any: "
            "bind them with functools.partial"
        )
    if isinstance(handler, type) and not issubclass(handler, Session):
        raise TypeError(f"{_name(handler)} is no subclass of Session")
    return "session"


def check_hook(name: str, hook: object) -> None:
    """Raise TypeError, in one line, for a hook of an App that can't be called."""
    if hook is not None and not callable(hook):
        raise TypeError(f"{name} {hook!r:.60} can't be called: give a function")
    if inspect.iscoroutinefunction(hook):
        raise TypeError(f"{name} {_name(hook)} is a coroutine function: give a plain function")


def _name(handler: object) -> str:
    return str(getattr(handler, "__qualname__", None) or f"{handler!r:.60}")


def _required(handler: object) -> list[str]:
    """The parameters that a call without arguments would miss; none where the handler doesn't tell."""
    if not callable(handler):
        return []
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.kind not in optional and each.default is each.empty]
