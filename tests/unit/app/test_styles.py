"""A style is told by the form of a handler, and asked for where the form is not exact."""

from __future__ import annotations

import asyncio
import functools
import socketserver
from typing import Any

import pytest

from prefork.app.session import Session
from prefork.app.styles import STYLES, style_of


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


def keyword(sock: object, *, _size: int) -> None:
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
    assert [style_of(handler, style) for style in STYLES if style not in ("session", "protocol")] == [
        *STYLES[1:3],
        *STYLES[4:],
    ]


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


def test_a_handler_of_datagrams_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Datagrams handles datagrams, and a pool serves connections: use StreamReq"):
        style_of(Datagrams)
