"""What certainly can't be called as it is going to be: it takes another number of arguments, or returns the wrong kind.

Theory. Only what is certain is refused, for a wrong refusal can't be worked around. A signature that Python doesn't
know, or that somebody declared (`__signature__`), is believed; what a decorator wraps doesn't count, the wrapper does.
"""

from __future__ import annotations

import dis
import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.app.styles import Style

_FORMS: Final[Mapping[Style, tuple[str, ...]]] = {
    "session": (),
    "coroutine": ("conn",),
    "streams": ("reader", "writer"),
    "protocol": (),
    "socket": ("sock",),
    "asgi": ("scope", "receive", "send"),
    "wsgi": ("environ", "start_response"),
}
"""How a handler of each style is called."""
_REQUEST: Final = ("request", "client_address", "server")
"""How `socketserver` makes a handler."""
_AWAITED: Final = frozenset({"coroutine", "streams", "asgi"})
_HOOKS: Final[Mapping[str, tuple[str, ...]]] = {
    "admit": ("peer", "listener"),
    "started": ("worker",),
    "stopping": ("worker",),
}


def name_in_words(given: object) -> str:
    """What an error calls it."""
    return str(getattr(given, "__qualname__", None) or f"{given!r:.60}")


def check_handler(handler: object, style: Style) -> None:
    """Raise TypeError, in one line, for what is certainly no handler of that style."""
    form = _FORMS[style]
    if not form:
        _check_maker(handler, style)
    elif not (_takes(handler, form) or (style == "asgi" and _takes(handler, ("scope",)))):  # the second: of ASGI 2
        cure = f": if it makes one, give {name_in_words(handler)}()" if _makes(handler) else ""
        raise TypeError(f"{_cant(handler, form)}, as an app of style {style!r} is{cure}")
    if style not in _AWAITED and _is_async(handler):
        raise TypeError(f"{name_in_words(handler)} is async, and an app of style {style!r} is called without await")
    if style in _AWAITED and not _may_be_awaited(handler):
        raise TypeError(
            f"{name_in_words(handler)} returns nothing that can be awaited, as an app of style {style!r} is: "
            "write async def"
        )


def check_request_handler(handler: object) -> None:
    """Raise TypeError, in one line, for what can't be called as `socketserver` calls a class of handlers."""
    if not callable(handler):
        raise TypeError(f"{handler!r:.60} is no class of handlers: give a class of socketserver.BaseRequestHandler")
    if not _takes(handler, _REQUEST):
        raise TypeError(f"{_cant(handler, _REQUEST)}, as a handler of socketserver is")


def check_hook(name: str, hook: object) -> None:
    """Raise TypeError, in one line, for a hook of an App that can't be called."""
    if hook is None:
        return
    if not callable(hook):
        raise TypeError(f"{name} {hook!r:.60} can't be called: give a function")
    if _is_async(hook):
        raise TypeError(f"{name} {name_in_words(hook)} is a coroutine function: give a plain function")
    if not _takes(hook, _HOOKS[name]):
        raise TypeError(f"{name} {_cant(hook, _HOOKS[name])}, as it is going to be")


def _cant(given: object, form: tuple[str, ...]) -> str:
    return f"{name_in_words(given)} can't be called with ({', '.join(form)})"


def _check_maker(handler: object, style: Style) -> None:
    """Refuse what needs arguments, and is called without any."""
    signature = _signature(handler)
    if signature is None or _binds(signature, 0):
        return
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = signature.parameters.values()
    needed = [each.name for each in parameters if each.kind not in optional and each.default is each.empty]
    raise TypeError(
        f"{name_in_words(handler)} needs arguments ({', '.join(needed)}), but it is called without any: bind them with "
        f"functools.partial and say style={style!r}"
    )


def _makes(handler: object) -> bool:
    """Whether it may be a factory of handlers, mistaken for one."""
    return _takes(handler, ()) and not _is_async(handler)


def _takes(given: object, form: tuple[str, ...]) -> bool:
    signature = _signature(given)
    return signature is None or _binds(signature, len(form))


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _signature(given: object) -> inspect.Signature | None:
    """What it takes; None: nobody knows for certain."""
    inner = given
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not callable(given) or hasattr(inner, "__signature__"):
        return None
    try:
        return inspect.signature(given, follow_wrapped=False)
    except (TypeError, ValueError):
        return None


def _is_async(given: object) -> bool:
    """Whether calling it does nothing yet."""
    function = _function(given) or given
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _function(given: object) -> FunctionType | None:
    """The function that a call runs, where it is one of Python's."""
    call = given if isinstance(given, FunctionType) else getattr(type(given), "__call__", None)  # noqa: B004 - itself
    return call if isinstance(call, FunctionType) else None


def _may_be_awaited(given: object) -> bool:
    """Whether what it returns may be awaitable: no generator is, nor a constant, nor what isn't returned at all."""
    function = None if isinstance(given, type) else _function(given)
    if function is None:
        return True
    flags = function.__code__.co_flags
    if flags & (inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE):
        return True
    if flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
        return False
    before = ""
    for each in dis.get_instructions(function):
        if each.opname == "RETURN_VALUE" and (each.is_jump_target or before != "LOAD_CONST"):
            return True
        before = each.opname
    return False
