"""Which style a handler is written in, and whether a loop can run it.

Theory. A style is told by the handler's form alone, before anything is called: a class by its base, a function by
`async` and how many arguments it takes, an object (what frameworks make) by those of its `__call__`. Only what is
exact is told; what was wrapped may take anything, so that a decorated function, a partial or a factory without
arguments needs `style=`. How a loop runs a style is the loop's word: native, bridged (by threads or a loop of its own
for each session), or not at all.
"""

from __future__ import annotations

import inspect
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Final, Literal, get_args

from prefork.app.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

Style = Literal["session", "coroutine", "streams", "protocol", "socket", "asgi", "wsgi"]
Support = Literal["native", "bridged"]

STYLES: Final[tuple[Style, ...]] = get_args(Style)
MADE: Final = frozenset({"session", "protocol"})
"""Styles whose handler is called without arguments, once a connection, and makes the object that serves it."""
_BASES: Final = (
    ("asyncio.protocols", "BaseProtocol", "protocol"),
    ("socketserver", "BaseRequestHandler", "socket"),
)
_FUNCTIONS: Final[Mapping[tuple[bool, int], Style]] = {
    (True, 1): "coroutine",
    (True, 2): "streams",
    (True, 3): "asgi",
    (False, 1): "socket",
    (False, 2): "wsgi",
}
"""By whether it is `async`, and how many arguments it takes."""
_OBJECTS: Final = frozenset({"asgi", "wsgi"})
_OFFERS: Final = "a class of prefork.Session, asyncio.BaseProtocol or socketserver.BaseRequestHandler"


def style_of(handler: object, style: str | None = None) -> Style:
    """The style of `handler`; `style` is what its user says it is. Raises TypeError, in one line."""
    if isinstance(handler, Session):
        raise TypeError(f"a {type(handler).__qualname__} object serves one connection: give the class, not an instance")
    if not callable(handler):
        raise TypeError(f"{handler!r:.60} is neither an App nor anything that can be called")
    told = _told(handler)
    if style is None:
        if told is None:
            raise TypeError(_untold(handler))
        return _checked(handler, told)
    for known in STYLES:
        if style == known:
            if told is not None and told != known and not (told in _OBJECTS and known in _OBJECTS):
                raise TypeError(f"{_name(handler)} is written as {told}, not as {known}: leave style= out")
            return _checked(handler, known)
    raise TypeError(f"style {style!r} is not known; there are: {', '.join(STYLES)}")


def check_hook(name: str, hook: object) -> None:
    """Raise TypeError, in one line, for a hook of an App that can't be called."""
    if hook is not None and not callable(hook):
        raise TypeError(f"{name} {hook!r:.60} can't be called: give a function")
    if inspect.iscoroutinefunction(hook):
        raise TypeError(f"{name} {_name(hook)} is a coroutine function: give a plain function")


def _told(handler: object) -> Style | None:
    """What the form says; None: nothing for certain."""
    if isinstance(handler, type):
        return _by_base(handler)
    function, bound = (handler, 0) if isinstance(handler, FunctionType) else (_call_of(handler), 1)
    if function is None or hasattr(function, "__wrapped__") or inspect.isasyncgenfunction(function):
        return None
    taken = _arity(function)
    if taken is None:
        return None
    style = _FUNCTIONS.get((inspect.iscoroutinefunction(function), taken - bound))
    return style if not bound or style in _OBJECTS else None


def _by_base(made: type) -> Style | None:
    """The style of a class; nobody's module is imported to find out."""
    if issubclass(made, Session):
        return "session"
    for module, name, style in _BASES:
        base = getattr(sys.modules.get(module), name, None)
        if base is not None and issubclass(made, base):
            return style  # type: ignore[return-value]
    return None


def _call_of(handler: object) -> FunctionType | None:
    call = getattr(type(handler), "__call__", None)  # noqa: B004 - the function itself is wanted
    return call if isinstance(call, FunctionType) else None


def _arity(function: FunctionType) -> int | None:
    """How many arguments it takes; None: not always as many."""
    parameters = inspect.signature(function).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    exact = all(each.kind in plain and each.default is each.empty for each in parameters)
    return len(parameters) if exact else None


def _checked(handler: object, style: Style) -> Style:
    """Refuse a maker that can't be called without arguments, and handlers of what is no connection."""
    datagrams = getattr(sys.modules.get("socketserver"), "DatagramRequestHandler", None)
    if datagrams is not None and isinstance(handler, type) and issubclass(handler, datagrams):
        raise TypeError(f"{_name(handler)} handles datagrams, and a pool serves connections: use StreamRequestHandler")
    needed = _required(handler) if style in MADE else []
    if needed:
        raise TypeError(
            f"{_name(handler)} needs arguments ({', '.join(needed)}), but it is called without any: bind them with "
            f"functools.partial and say style={style!r}"
        )
    return style


def _untold(handler: object) -> str:
    if isinstance(handler, type):
        return f"{_name(handler)} is no subclass that tells its style ({_OFFERS}): say App(…, style=…): {_list()}"
    return f"{_name(handler)} doesn't tell its style by its form: say App(…, style=…), one of {_list()}"


def _list() -> str:
    return ", ".join(STYLES)


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
