"""What a server object of `prefork.socketserver` takes, refuses and says, before anything is served."""

from __future__ import annotations

import functools
import socket
import socketserver
from typing import TYPE_CHECKING, Any

import pytest

from prefork import App, AppError
from prefork.app.naming import import_app_object
from prefork.app.request_server import RequestServer
from prefork.config import ServerConfig
from prefork.socketserver import PreforkTCPServer, PreforkUnixStreamServer

if TYPE_CHECKING:
    from collections.abc import Callable


class Handler(socketserver.StreamRequestHandler):
    pass


class Coloured(PreforkTCPServer):
    color = "red"


HERE = "tests.unit.test_socketserver"


def test_a_mixin_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(
        TypeError, match=r"^\S+Forking\.process_request would never be called: leave ThreadingMixIn and"
    ):

        class Forking(socketserver.ForkingMixIn, PreforkTCPServer):
            pass


@pytest.mark.parametrize(
    ("name", "cure"),
    [("server_bind", "the master binds"), ("shutdown_request", "override verify_request, finish_request or handle_e")],
)
def test_a_method_that_nobody_would_call_is_refused(name: str, cure: str) -> None:
    with pytest.raises(TypeError, match=rf"^Mine\.{name} would never be called: {cure}"):
        type("Mine", (PreforkTCPServer,), {name: lambda _: None})


def test_what_is_set_on_the_instance_is_refused_before_anything_is_bound() -> None:
    server = Coloured(("127.0.0.1", 0), Handler)
    server.color = "blue"
    with pytest.raises(TypeError, match=r"^Coloured\.color: set on the instance, it doesn't reach the workers: set it"):
        server.serve_forever()


def test_a_handler_that_no_other_process_can_import_is_refused() -> None:
    class Local(socketserver.BaseRequestHandler):
        pass

    with pytest.raises(AppError, match=r"what is made inside a function can't be imported by another process"):
        PreforkTCPServer(("127.0.0.1", 0), Local).serve_forever()


class Datagrams(socketserver.DatagramRequestHandler):
    pass


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (functools.partial(Handler), None),
        (Datagrams, "Datagrams handles datagrams, and a pool serves connections: use StreamRequestHandler"),
        ("H", "'H' is no class of handlers: give a class of socketserver.BaseRequestHandler"),
        (len, "len can't be called with (request, client_address, server), as a handler of socketserver is"),
    ],
)
@pytest.mark.parametrize("take", [lambda given: PreforkTCPServer(("127.0.0.1", 0), given), PreforkTCPServer.app_of])
def test_what_is_no_handler_of_connections_is_refused_at_once(
    take: Callable[[object], object], handler: object, message: str | None
) -> None:
    if message is None:
        take(handler)
        return
    with pytest.raises(TypeError) as caught:
        take(handler)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "address", "message"),
    [
        (
            PreforkTCPServer,
            "127.0.0.1:80",
            "PreforkTCPServer: an address is (host, port), not '127.0.0.1:80': say ('127.0.0.1', 80)",
        ),
        (
            PreforkTCPServer,
            "tcp://[::1]:80",
            "PreforkTCPServer: an address is (host, port), not 'tcp://[::1]:80': say ('::1', 80)",
        ),
        (
            Coloured,
            "localhost",
            "Coloured: an address is (host, port), not 'localhost': say such as ('127.0.0.1', 9999)",
        ),
        (
            PreforkTCPServer,
            ("127.0.0.1", "80"),
            "PreforkTCPServer: an address is (host, port), not ('127.0.0.1', '80'): say such as ('127.0.0.1', 9999)",
        ),
        (
            PreforkUnixStreamServer,
            ("127.0.0.1", 80),
            "PreforkUnixStreamServer: an address is a path, not ('127.0.0.1', 80): say such as '/run/x.sock'",
        ),
    ],
)
def test_what_is_no_address_is_refused_at_once(kind: type[PreforkTCPServer], address: object, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        kind(address, Handler)
    assert str(caught.value) == message


def test_one_request_alone_can_not_be_had() -> None:
    with pytest.raises(RuntimeError, match=r"^Coloured serves until it is stopped: call serve_forever\(\)$"):
        Coloured(("127.0.0.1", 0), Handler).handle_request()


class Six(PreforkTCPServer):
    address_family = socket.AF_INET6
    request_queue_size = 7


@pytest.mark.parametrize(
    ("server", "table"),
    [
        (PreforkTCPServer(("127.0.0.1", 80), Handler), {"url": "tcp://127.0.0.1:80"}),
        (PreforkTCPServer(("", 80), Handler), {"url": "tcp://0.0.0.0:80"}),
        (Six(("::1", 80, 0, 0), Handler), {"url": "tcp://[::1]:80", "backlog": 7}),
        (Six(("", 80), Handler), {"url": "tcp://[::]:80", "backlog": 7}),
        (PreforkUnixStreamServer("/run/x.sock", Handler), {"url": "unix:/run/x.sock"}),
    ],
)
def test_an_address_of_socketserver_is_a_listener(server: PreforkTCPServer, table: dict[str, Any]) -> None:
    assert server._table() == table


def test_a_name_may_be_what_one_makes_of_another() -> None:
    name = f"{HERE}:Coloured.app_of({HERE}:Handler)"
    made = import_app_object(name)
    assert isinstance(made, App)
    assert made.style == "socket"
    assert ServerConfig(app=name).app == name


def test_a_name_whose_outer_part_makes_nothing_is_one_line() -> None:
    with pytest.raises(AppError, match=r"HERE\(\S+:Handler\)': '\S+' can't be called$"):
        import_app_object(f"{HERE}:HERE({HERE}:Handler)")
    with pytest.raises(AppError, match=r"AttributeError: 'str' object has no attribute 'app'"):
        import_app_object(f"{HERE}:fails({HERE}:HERE)")


def fails(of: Any) -> None:
    of.app()


def test_a_worker_s_server_has_what_handlers_use_and_says_what_it_has_not() -> None:
    server = Coloured.of(Handler, ("127.0.0.1", 80), lambda: None)
    assert (server.server_address, server.server_port, server.color) == (("127.0.0.1", 80), 80, "red")
    assert server.server_name == socket.getfqdn("127.0.0.1")
    with pytest.raises(AttributeError, match=r"^'Coloured' object has no attribute 'db': workers share what is set on"):
        server.db  # noqa: B018
    unix = RequestServer.of(Handler, "/run/x.sock", lambda: None)
    assert (unix.server_name, unix.server_port) == ("/run/x.sock", 0)
