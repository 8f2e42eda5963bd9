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

from prefork.app.calls import check_handler, check_request_handler, name_in_words
from prefork.app.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

Style = Literal["session", "coroutine", "streams", "protocol", "socket", "asgi", "wsgi"]
Support = Literal["native", "bridged"]

STYLES: Final[tuple[Style, ...]] = get_args(Style)
FRAMED: Final = frozenset({"session", "coroutine"})
"""Styles that get items, which a framer makes of bytes."""
_BASES: Final = (
    ("asyncio.protocols", "Protocol", "protocol"),
    ("asyncio.protocols", "BufferedProtocol", "protocol"),
    ("socketserver", "BaseRequestHandler", "socket"),
)
_REFUSED: Final = (
    ("asyncio.protocols", "DatagramProtocol", "handles datagrams", "asyncio.Protocol or BufferedProtocol"),
    ("asyncio.protocols", "SubprocessProtocol", "handles a process", "asyncio.Protocol or BufferedProtocol"),
    ("socketserver", "DatagramRequestHandler", "handles datagrams", "StreamRequestHandler"),
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
_OFFERS: Final = "a class of prefork.Session, asyncio.Protocol, BufferedProtocol or socketserver.BaseRequestHandler"


def style_of(handler: object, style: str | None = None) -> Style:
    """The style of `handler`; `style` is what its user says it is. Raises TypeError, in one line."""
    if isinstance(handler, Session):
        raise TypeError(f"a {type(handler).__qualname__} object serves one connection: give the class, not an instance")
    if not callable(handler):
        raise TypeError(f"{handler!r:.60} is neither an App nor anything that can be called")
    refuse_other_bases(handler)
    told = _told(handler)
    if style is None:
        if told is None:
            raise TypeError(_untold(handler))
        return _checked(handler, told)
    for known in STYLES:
        if style == known:
            if told not in (None, known) and not _may_be_asgi_two(handler, known, told):
                raise TypeError(f"{name_in_words(handler)} is written as {told}, not as {known}: leave style= out")
            return _checked(handler, known)
    raise TypeError(f"style {style!r} is not known; there are: {', '.join(STYLES)}")


def _may_be_asgi_two(handler: object, style: Style, told: Style) -> bool:
    """Whether its user says that a function of one argument, which has the form of a handler of sockets, is ASGI 2."""
    return style == "asgi" and told == "socket" and isinstance(handler, FunctionType)


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
    """The style of a class."""
    if issubclass(made, Session):
        return "session"
    for module, name, style in _BASES:
        if _is_of(made, module, name):
            return style  # type: ignore[return-value]
    return None


def _is_of(made: type, module: str, name: str) -> bool:
    """Whether it is a class of that; nobody's module is imported to find out."""
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and issubclass(made, base)


def _call_of(handler: object) -> FunctionType | None:
    call = getattr(type(handler), "__call__", None)  # noqa: B004 - the function itself is wanted
    return call if isinstance(call, FunctionType) else None


def _arity(function: FunctionType) -> int | None:
    """How many arguments it takes; None: not always as many."""
    parameters = inspect.signature(function).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    exact = all(each.kind in plain and each.default is each.empty for each in parameters)
    return len(parameters) if exact else None


def refuse_other_bases(handler: object) -> None:
    """Raise TypeError, in one line, for a class whose base serves no connection."""
    if isinstance(handler, type) and _by_base(handler) != "protocol":
        for module, name, what, instead in _REFUSED:
            if _is_of(handler, module, name):
                raise TypeError(f"{name_in_words(handler)} {what}, and a pool serves connections: use {instead}")


def _checked(handler: object, style: Style) -> Style:
    """The style. Raises TypeError for what can't be called so."""
    if style == "socket" and isinstance(handler, type) and _by_base(handler) == "socket":
        check_request_handler(handler)
    else:
        check_handler(handler, style)
    return style


def _untold(handler: object) -> str:
    if isinstance(handler, type):
        return (
            f"{name_in_words(handler)} is no subclass that tells its style ({_OFFERS}): say App(…, style=…): {_list()}"
        )
    return f"{name_in_words(handler)} doesn't tell its style by its form: say App(…, style=…), one of {_list()}"


def _list() -> str:
    return ", ".join(STYLES)
