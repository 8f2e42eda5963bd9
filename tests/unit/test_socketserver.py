"""What a server object of `prefork.socketserver` takes, refuses and says, before anything is served."""

from __future__ import annotations

import socket
import socketserver
from typing import Any

import pytest

from prefork import App, AppError
from prefork.app.naming import import_app_object
from prefork.app.request_server import RequestServer
from prefork.config import ServerConfig
from prefork.socketserver import PreforkTCPServer, PreforkUnixStreamServer


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
