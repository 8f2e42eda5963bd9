"""A style is told by the form of a handler, and asked for where the form is not exact."""

from __future__ import annotations

import asyncio
import functools
import inspect
import socketserver
from typing import Any

import pytest

from prefork.app.session import Session
from prefork.app.styles import style_of


class Plain(Session[str]):
    pass


class Protocol(asyncio.Protocol):
    pass


class Buffered(asyncio.BufferedProtocol):
    pass


class Handler(socketserver.StreamRequestHandler):
    pass


class Framework:
    async def __call__(self, scope: object, receive: object, send: object) -> None:
        raise NotImplementedError

    def method(self, sock: object) -> None:
        raise NotImplementedError


class OldFramework:
    def __call__(self, environ: object, start_response: object) -> list[bytes]:
        raise NotImplementedError


async def coroutine(conn: object) -> None:
    raise NotImplementedError


async def streams(reader: object, writer: object) -> None:
    raise NotImplementedError


async def asgi(scope: object, receive: object, send: object) -> None:
    raise NotImplementedError


def socket(sock: object) -> None:
    raise NotImplementedError


def wsgi(environ: object, start_response: object) -> list[bytes]:
    raise NotImplementedError


@functools.wraps(socket)
def decorated(_one: object) -> None:
    raise NotImplementedError


def optional(sock: object, _size: int = 3) -> None:
    raise NotImplementedError


def variadic(*_sock: object) -> None:
    raise NotImplementedError


def keyword(sock: object, *, _size: int = 3) -> None:
    raise NotImplementedError


def factory() -> Plain:
    return Plain()


async def generator(_conn: object) -> Any:
    yield None


class Needs(Protocol):
    def __init__(self, store: object) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("handler", "style"),
    [
        (Plain, "session"),
        (Protocol, "protocol"),
        (Buffered, "protocol"),
        (Handler, "socket"),
        (coroutine, "coroutine"),
        (streams, "streams"),
        (asgi, "asgi"),
        (socket, "socket"),
        (wsgi, "wsgi"),
        (Framework(), "asgi"),
        (OldFramework(), "wsgi"),
    ],
)
def test_a_style_is_told_by_the_form(handler: object, style: str) -> None:
    assert style_of(handler) == style
    assert style_of(handler, style) == style


@pytest.mark.parametrize(
    "handler",
    [decorated, optional, variadic, keyword, factory, generator, functools.partial(socket), Framework().method],
)
def test_what_is_not_exact_is_asked_for_its_style(handler: object) -> None:
    with pytest.raises(TypeError, match=r"doesn't tell its style by its form: say App\(…, style=…\), one of session,"):
        style_of(handler)


@pytest.mark.parametrize(
    ("handler", "style", "message"),
    [
        pytest.param(Plain(), None, "a Plain object serves one connection: give the class", id="a session"),
        pytest.param(3, None, "3 is neither an App nor anything that can be called", id="a number"),
        pytest.param(int, None, "int is no subclass that tells its style", id="another class"),
        pytest.param(coroutine, "asgi", "coroutine is written as coroutine, not as asgi: leave style= out", id="other"),
        pytest.param(Plain, "protocol", "Plain is written as session, not as protocol", id="a class of another"),
        pytest.param(coroutine, "http", "style 'http' is not known; there are: session, coroutine", id="unknown"),
        pytest.param(Needs, None, r"Needs needs arguments \(store\), but it is called without any", id="arguments"),
        pytest.param(optional, "session", r"optional needs arguments \(sock\)", id="a factory with arguments"),
    ],
)
def test_what_has_no_style_is_refused_in_one_line(handler: object, style: str | None, message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        style_of(handler, style)
    assert "\n" not in str(caught.value)


class Datagrams(socketserver.DatagramRequestHandler):
    pass


class Packets(asyncio.DatagramProtocol):
    pass


class Child(asyncio.SubprocessProtocol):
    pass


class Both(asyncio.Protocol, asyncio.DatagramProtocol):
    pass


class Bare(asyncio.BaseProtocol):
    pass


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (Datagrams, "Datagrams handles datagrams, and a pool serves connections: use StreamRequestHandler"),
        (Packets, "Packets handles datagrams, and a pool serves connections: use asyncio.Protocol or BufferedProtocol"),
        (Child, "Child handles a process, and a pool serves connections: use asyncio.Protocol or BufferedProtocol"),
    ],
)
@pytest.mark.parametrize("style", [None, "socket", "protocol"])
def test_what_serves_no_connection_is_refused_whatever_its_user_says(handler: type, style: str, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        style_of(handler, style)
    assert str(caught.value) == message


def test_a_protocol_that_is_one_of_datagrams_as_well_is_a_protocol() -> None:
    assert style_of(Both) == "protocol"


def test_a_bare_base_protocol_is_asked_for_its_style() -> None:
    with pytest.raises(TypeError, match=r"^Bare is no subclass that tells its style \(a class of prefork.Session, "):
        style_of(Bare)
    assert style_of(Bare, "protocol") == "protocol"


@pytest.mark.parametrize("handler", [decorated, optional, variadic, keyword, functools.partial(socket), print])
def test_what_may_be_called_as_its_user_says_is_believed(handler: object) -> None:
    assert style_of(handler, "socket") == "socket"


# -- what can't be an app of the style that is said --------------------------------------------------------------------


def plain(_scope: object, _receive: object, _send: object) -> None:
    return


def handles_a_socket(_sock: object) -> None:
    return


def constant(scope: object, _receive: object, _send: object) -> int:
    if scope:
        return 1
    raise ValueError


def makes() -> Framework:
    return Framework()


def yields(*_given: object) -> Any:
    yield None


class Blocking:
    def __call__(self, scope: object, receive: object, send: object) -> None:
        print(scope, receive, send)


def four(_a: object, _b: object, _c: object, _d: object) -> None:
    raise NotImplementedError


async def four_async(_a: object, _b: object, _c: object, _d: object) -> None:
    raise NotImplementedError


async def nothing() -> None:
    raise NotImplementedError


async def any_number(*_given: object) -> None:
    raise NotImplementedError


def reads(_conn: object, _size: int = 3) -> Any:
    yield None


def required(sock: object, *, _size: int) -> None:
    raise NotImplementedError


class Takes(socketserver.BaseRequestHandler):
    def __init__(self, request: object) -> None:
        raise NotImplementedError


NOT_AWAITED = "{} returns nothing that can be awaited, as an app of style 'asgi' is: write async def"
CANT = "{} can't be called with ({}), as an app of style {!r} is"
ASYNC = "{} is async, and an app of style {!r} is called without await"
CANT_ASGI = "{} can't be called with (scope, receive, send), as an app of style 'asgi' is"
CANT_WSGI = "{} can't be called with (environ, start_response), as an app of style 'wsgi' is"
BLOCKING = Blocking()


@pytest.mark.parametrize(
    ("handler", "style", "message"),
    [
        (plain, "asgi", NOT_AWAITED.format("plain")),
        (constant, "asgi", NOT_AWAITED.format("constant")),
        (yields, "asgi", NOT_AWAITED.format("yields")),
        (generator, "asgi", NOT_AWAITED.format("generator")),
        (handles_a_socket, "asgi", NOT_AWAITED.format("handles_a_socket")),
        (BLOCKING, "asgi", NOT_AWAITED.format(f"{BLOCKING!r:.60}")),
        (required, "asgi", CANT_ASGI.format("required")),
        (required, "socket", CANT.format("required", "sock", "socket")),
        (Framework, "asgi", CANT_ASGI.format("Framework") + ": if it makes one, give Framework()"),
        (four, "socket", CANT.format("four", "sock", "socket")),
        (four_async, "streams", CANT.format("four_async", "reader, writer", "streams")),
        (four_async, "coroutine", CANT.format("four_async", "conn", "coroutine")),
        (functools.partial(four, 1), "socket", CANT.format(f"{functools.partial(four, 1)!r:.60}", "sock", "socket")),
        (Framework().method, "wsgi", CANT_WSGI.format("Framework.method")),
        (nothing, "coroutine", CANT.format("nothing", "conn", "coroutine")),
        (factory, "streams", CANT.format("factory", "reader, writer", "streams") + ": if it makes one, give factory()"),
        (generator, "coroutine", NOT_AWAITED.format("generator").replace("asgi", "coroutine")),
        (reads, "coroutine", NOT_AWAITED.format("reads").replace("asgi", "coroutine")),
        (plain, "streams", CANT.format("plain", "reader, writer", "streams")),
        (any_number, "socket", ASYNC.format("any_number", "socket")),
        (generator, "socket", ASYNC.format("generator", "socket")),
        (nothing, "protocol", ASYNC.format("nothing", "protocol")),
        (Takes, None, "Takes can't be called with (request, client_address, server), as a handler of socketserver is"),
        (makes, "asgi", CANT_ASGI.format("makes") + ": if it makes one, give makes()"),
        (makes, "wsgi", CANT_WSGI.format("makes") + ": if it makes one, give makes()"),
        (decorated, "wsgi", CANT_WSGI.format("socket")),
        (wsgi, "asgi", "wsgi is written as wsgi, not as asgi: leave style= out"),
    ],
)
def test_what_is_certainly_no_app_of_the_style_that_is_said_is_refused(
    handler: object, style: str | None, message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        style_of(handler, style)
    assert str(caught.value) == message


def asgi_two(scope: object) -> object:
    return functools.partial(asgi, scope)


def passes_on(scope: object, receive: object, send: object) -> Any:
    return asgi(scope, receive, send)


def passes_on_or_not(scope: object, receive: object, send: object) -> Any:
    return asgi(scope, receive, send) if scope else None


@functools.wraps(wsgi)
def wrapped(*given: Any) -> Any:
    return asgi(*given)


class AsgiTwo:
    def __init__(self, scope: object) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    "handler", [passes_on, passes_on_or_not, wrapped, asgi_two, AsgiTwo, AsgiTwo.__call__, functools.partial(asgi)]
)
def test_what_may_be_an_asgi_app_is_believed(handler: object) -> None:
    assert style_of(handler, "asgi") == "asgi"


def test_a_signature_that_somebody_declared_is_believed() -> None:
    def declared(*_given: object) -> None:
        raise NotImplementedError

    declared.__signature__ = inspect.signature(four)  # type: ignore[attr-defined]
    assert style_of(declared, "socket") == "socket"
    assert style_of(functools.partial(declared), "socket") == "socket"
