"""The style `asgi` on asyncio's own loop and on uvloop, told by raw HTTP: every byte is one that the test wrote."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork import App, wire
from prefork.backends.uvicorn_settings import check_settings, configure, tell_what_is_missing
from prefork.errors import ConfigError
from prefork.testing.contract import Client, Workers, note
from prefork.testing.contract.harness import MS
from prefork.wire import WANT_DRAIN, WANT_SWEEP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A path is what to do."""
    match scope["type"]:
        case "lifespan":
            await live(scope, receive, send)
        case "websocket":
            await converse(receive, send)
        case _:
            await answer(scope, receive, send)


async def live(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    while True:
        said = await receive()
        note(said["type"])
        scope["state"]["made"] = "at startup"
        await send({"type": f"{said['type']}.complete"})
        if said["type"] == "lifespan.shutdown":
            return


async def converse(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    note(f"{(await receive())['type']}")


async def answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    path, body = scope["path"], scope["state"]["made"].encode()
    if path == "/raise":
        raise ValueError(path)
    if path == "/body":
        body = b""
        while (said := await receive())["type"] == "http.request":
            body += said["body"]
            if not said["more_body"]:
                break
    if path == "/slow":
        note("slow")
        await asyncio.sleep(0.3)
    if path == "/endless":
        note("endless")
        try:
            await asyncio.sleep(3600)
        finally:
            note("endless over")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
    if path == "/behind":
        await asyncio.sleep(0.3)
        note("behind")


def ask(client: Client, path: str, *headers: str, body: bytes = b"") -> None:
    head = "\r\n".join([f"{'POST' if body else 'GET'} {path} HTTP/1.1", "host: a", *headers, "", ""])
    client.socket.sendall(head.encode() + body)


def hear(client: Client) -> tuple[list[str], bytes]:
    """Status and headers, without the date, and the body."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        more = client.socket.recv(65536)
        assert more, f"the end after {raw!r}"
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.decode().split("\r\n") if not line.startswith("date: ")]
    (length,) = [int(line.split()[1]) for line in lines if line.lower().startswith("content-length")]
    while len(body) < length:
        body += client.socket.recv(65536)
    return lines, body


@pytest.fixture(params=["asyncio-httptools", "asyncio-h11", "uvloop-httptools", "uvloop-h11"])
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    loop, http = request.param.split("-")
    with Workers("asyncio", {"loop": loop, "uvicorn": {"http": http}}, usual=App(app)) as start:
        yield start


def test_the_lifespan_is_around_all_sessions_and_its_state_reaches_them(start: Workers) -> None:
    worker = start()
    worker.noted("lifespan.startup")
    client = worker.connect(opened=False)
    ask(client, "/")
    assert hear(client) == (["HTTP/1.1 200 OK", "server: uvicorn", "content-length: 10"], b"at startup")
    worker.want(WANT_DRAIN)
    client.is_over()
    assert worker.ended() == 0
    worker.noted("lifespan.shutdown")
    assert worker.log == []


def test_many_requests_are_one_session(start: Workers) -> None:
    worker = start()
    client = worker.connect(opened=False)
    for _ in range(5):
        ask(client, "/body", "content-length: 5", body=b"hello")
        assert hear(client)[1] == b"hello"
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.CLOSED]) == (1, 0)
    client.socket.close()
    worker.ends(1)


def test_the_cap_holds_connections(start: Workers) -> None:
    worker = start(max_sessions=1)
    first, second = worker.connect(opened=False), worker.connect(opened=False)
    ask(first, "/")
    ask(second, "/")
    hear(first)
    assert worker.slot[wire.ACCEPTED] == 1
    first.socket.close()
    hear(second)


def test_at_a_drain_the_response_under_way_is_told_to_be_the_last(start: Workers) -> None:
    worker = start()
    worker.noted("lifespan.startup")
    client, idle = worker.connect(opened=False), worker.connect(opened=False)
    ask(idle, "/")
    hear(idle)
    ask(client, "/slow")
    worker.noted("slow")
    worker.want(WANT_DRAIN)
    idle.is_over()
    lines, body = hear(client)
    assert ("connection: close" in [line.lower() for line in lines], body) == (True, b"at startup")
    client.is_over()
    assert worker.ended() == 0


def test_a_request_that_comes_with_the_drain_is_answered(start: Workers) -> None:
    worker = start()
    held = worker.connect(opened=False)
    ask(held, "/")
    hear(held)
    with worker.frozen():
        worker.want(WANT_DRAIN | WANT_SWEEP)
        ask(held, "/")
        late = worker.connect(opened=False)
    worker.acts_on(WANT_DRAIN | WANT_SWEEP)
    ask(late, "/")
    for client in (held, late):
        assert "connection: close" in hear(client)[0]
        client.is_over()
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0


def test_a_request_that_has_come_in_part_is_waited_for(start: Workers) -> None:
    worker = start()
    client = worker.connect(opened=False)
    ask(client, "/")
    hear(client)
    client.socket.sendall(b"GET / HTTP/1.1\r\nho")
    other = worker.connect(opened=False)
    ask(other, "/")
    hear(other)
    worker.want(WANT_DRAIN)
    other.is_over()
    client.socket.sendall(b"st: a\r\n\r\n")
    assert "connection: close" in hear(client)[0]
    client.is_over()
    assert worker.ended() == 0


def test_a_websocket_is_told_1012_at_a_drain(start: Workers) -> None:
    worker = start()
    worker.noted("lifespan.startup")
    client = worker.connect(opened=False)
    key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    ask(client, "/", "connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", key)
    while not client.socket.recv(65536).endswith(b"\r\n\r\n"):
        pass
    worker.want(WANT_DRAIN)
    assert client.rest() == b"\x88\x02" + (1012).to_bytes(2)
    assert worker.ended() == 0
    worker.noted("websocket.disconnect", "lifespan.shutdown")
    assert worker.log == []


def test_at_the_deadline_a_request_is_cancelled_and_its_connection_cut(start: Workers) -> None:
    worker = start()
    worker.noted("lifespan.startup")
    client = worker.connect(opened=False)
    ask(client, "/endless")
    worker.noted("endless")
    worker.want(WANT_DRAIN, by=time.monotonic_ns() + 200 * MS)
    assert worker.ended() == 0
    worker.noted("endless over", "lifespan.shutdown")
    host, port = client.socket.getsockname()
    assert worker.log == [f"session with {host}:{port}: a request was cancelled by the drain's deadline"]
    assert worker.whole_log.count("\n") == 1
    assert worker.slot[wire.ERRORS] == 0


def test_a_session_is_held_until_what_runs_for_it_is_over(start: Workers) -> None:
    worker = start(max_sessions=1)
    worker.noted("lifespan.startup")
    client = worker.connect(opened=False)
    ask(client, "/behind")
    hear(client)
    client.socket.close()
    late = worker.connect(opened=False)
    ask(late, "/")
    hear(late)
    worker.noted("behind")


def test_an_exception_is_one_record_with_the_peer_a_500_and_counted(start: Workers) -> None:
    worker = start()
    client = worker.connect(opened=False)
    ask(client, "/raise")
    told = client.rest()
    assert told.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"\r\n\r\n" in told
    host, port = client.socket.getsockname()
    assert worker.log[0] == f"session with {host}:{port}: Exception in ASGI application"
    assert sum("session with" in line for line in worker.log) == 1
    assert worker.slot[wire.ERRORS] == 1


def test_a_thousand_sessions_leave_nothing(start: Workers) -> None:
    worker = start()
    for number in range(1010):
        if number == 10:
            descriptors, threads = worker.descriptors, worker.threads
        client = worker.connect(opened=False)
        ask(client, "/body", "content-length: 3", body=b"abc" if number % 3 else b"ab")
        client.socket.close()
        worker.ends(number + 1)
    assert (worker.descriptors, worker.threads) == (descriptors, threads)


# -- boot --------------------------------------------------------------------------------------------------------------


async def refuses(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback\nOSError: no database"})


async def breaks(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "what frameworks say"})
    raise OSError("no\n  database")


async def has_none(scope: dict[str, Any], _receive: Receive, _send: Send) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError("no lifespan here")


async def looks_at_no_type(_scope: dict[str, Any], _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"on"})


async def answers_the_wrong_question(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.shutdown.complete"})
    await looks_at_no_type(scope, receive, send)


@pytest.mark.parametrize(
    ("untold", "said"),
    [(looks_at_no_type, "http.response.start"), (answers_the_wrong_question, "lifespan.shutdown.complete")],
)
def test_an_app_that_does_not_speak_the_lifespan_protocol_is_served_unless_that_is_asked_for(
    untold: Any, said: str
) -> None:
    error = f"RuntimeError: '{said}' is no answer to 'lifespan.startup'"
    with Workers("asyncio", {}, usual=App(untold)) as start:
        worker = start()
        assert worker.log == [f"the app has no lifespan: {error}"]
        client = worker.connect(opened=False)
        ask(client, "/")
        assert hear(client)[1] == b"on"
    with Workers("asyncio", {"uvicorn": {"lifespan": "on"}}, usual=App(untold)) as start:
        worker = start(ready=False)
        assert worker.ended() == 70
        assert f"LifespanError: lifespan startup failed: {error}\n" in worker.whole_log


def asgi_two(scope: Any) -> Callable[[Receive, Send], Awaitable[None]]:
    async def instance(receive: Receive, send: Send) -> None:
        await looks_at_no_type(scope, receive, send)

    return instance


def test_a_function_that_is_an_app_of_asgi_2_is_served_as_one() -> None:
    with Workers("asyncio", {"uvicorn": {"interface": "asgi2", "lifespan": "off"}}) as start:
        client = start(App(asgi_two, style="asgi")).connect(opened=False)
        ask(client, "/")
        assert hear(client)[1] == b"on"


@pytest.mark.parametrize("failing", [refuses, breaks])
def test_a_startup_that_fails_leaves_run_before_ready(start: Workers, failing: Any) -> None:
    worker = start(App(failing), ready=False)
    assert worker.hear() is None
    assert worker.ended() == 70
    told = "prefork.backends.lifespan.LifespanError: lifespan startup failed: OSError: no database\n"
    assert told in worker.whole_log


async def fails_at_the_end(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["made"] = ""
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "disk full"})


async def never_ends(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(3600)


async def ends_early(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (fails_at_the_end, ["lifespan shutdown failed: disk full"]),
        (never_ends, ["lifespan shutdown is not over at the end of the drain"]),
        (ends_early, []),
    ],
)
def test_a_shutdown_that_fails_or_does_not_end_is_told_and_ends_nothing_but_itself(
    start: Workers, ending: Any, told: list[str]
) -> None:
    worker = start(App(ending), drain_timeout_ns=200 * MS)
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0
    assert worker.log[: len(told)] == told


def test_an_app_without_a_lifespan_is_served_unless_it_is_asked_for() -> None:
    with Workers("asyncio", {}, usual=App(has_none)) as start:
        assert start().log == ["the app has no lifespan: NotImplementedError: no lifespan here"]
    with Workers("asyncio", {"uvicorn": {"lifespan": "on"}}, usual=App(has_none)) as start:
        worker = start(ready=False)
        assert worker.ended() == 70
    with Workers("asyncio", {"uvicorn": {"lifespan": "off"}}, usual=App(has_none)) as start:
        assert start().log == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"workers": 2}, "uvicorn.workers is for prefork to set: leave it out"),
        ({"timeout_keepalive": 2}, "uvicorn.timeout_keepalive: uvicorn has no such setting; did you mean"),
        ({"timeout_keep_alive": "5"}, "uvicorn.timeout_keep_alive: expected int, not '5'$"),
        ({"timeout_keep_alive": -1}, "uvicorn.timeout_keep_alive: -1 is below 0$"),
        ({"timeout_keep_alive": True}, "uvicorn.timeout_keep_alive: expected int, not True$"),
        ({"ws_ping_interval": float("nan")}, "uvicorn.ws_ping_interval: nan is below 0$"),
        ({"ws_ping_timeout": "20s"}, "uvicorn.ws_ping_timeout: expected float or None, not '20s'$"),
        ({"access_log": "no"}, "uvicorn.access_log: expected bool, not 'no'$"),
        ({"lifespan": "yes"}, "uvicorn.lifespan: expected one of 'auto', 'on', 'off', not 'yes'$"),
        ({"http": "htp"}, "uvicorn.http: 'htp' is not known; there are: auto, h11, httptools"),
        ({"ws": 3}, "uvicorn.ws: expected one of 'auto', .* or str, not 3$"),
        ({"log_level": "loud"}, "uvicorn.log_level: 'loud' is not known; there are: critical, error, "),
        ({"headers": [["x"]]}, r"uvicorn.headers: expected list\[tuple\[str, str\]\] or None, not \[\['x'\]\]$"),
        ({"headers": {"x": "y"}}, r"uvicorn.headers: expected list\[tuple\[str, str\]\] or None, not {'x': 'y'}$"),
        ({"root_path": 1}, "uvicorn.root_path: expected str, not 1$"),
    ],
)
def test_settings_that_are_the_pool_s_unknown_or_can_not_be_are_refused_in_one_line(
    given: dict[str, Any], error: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^\[backends.asyncio\] {error}") as refused:
        Workers("asyncio", {"uvicorn": given}, usual=App(app))
    assert "\n" not in str(refused.value)


def test_settings_that_can_be_are_taken() -> None:
    given: dict[str, Any] = {
        "timeout_keep_alive": 0,
        "ws_ping_interval": 5,
        "ws_ping_timeout": 2.5,
        "access_log": True,
        "headers": [["x-served-by", "here"]],
        "forwarded_allow_ips": ["127.0.0.1"],
        "limit_concurrency": 10,
        "http": "uvicorn.protocols.http.h11_impl:H11Protocol",
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi2",
    }
    check_settings(given | {"log_level": "DEBUG"})
    assert configure(app, given).encoded_headers[-1] == (b"x-served-by", b"here")


@pytest.mark.parametrize(
    ("settings", "headers", "client", "scheme"),
    [
        ({}, {}, "127.0.0.1", "http"),
        ({}, {b"x-forwarded-for": b"192.0.2.1"}, "192.0.2.1", "http"),
        ({}, {b"host": b"a", b"x-forwarded-proto": b"https"}, "127.0.0.1", "https"),
        ({"forwarded_allow_ips": ["192.0.2.9"]}, {b"x-forwarded-for": b"192.0.2.1"}, "127.0.0.1", "http"),
        ({"proxy_headers": False}, {b"x-forwarded-for": b"192.0.2.1"}, "127.0.0.1", "http"),
    ],
)
def test_of_a_proxy_that_is_believed_the_app_is_told_the_client(
    settings: dict[str, Any], headers: dict[bytes, bytes], client: str, scheme: str
) -> None:
    told: list[dict[str, Any]] = []

    async def tells(scope: dict[str, Any], _receive: Receive, _send: Send) -> None:
        told.append(scope)

    given = {"type": "http", "headers": [*headers.items()], "client": ("127.0.0.1", 5), "scheme": "http"}
    asyncio.run(configure(tells, settings).loaded_app(given, None, None))
    assert [(scope["client"][0], scope["scheme"]) for scope in told] == [(client, scheme)]


# -- what serves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "missing", "told"),
    [
        ({}, [], ""),
        ({"http": "h11", "ws": "none"}, ["httptools", "websockets"], ""),
        (
            {},
            ["httptools"],
            "HTTP is served by h11, WebSockets by websockets_sansio: httptools is not installed",
        ),
        (
            {},
            ["httptools", "websockets", "wsproto"],
            "HTTP is served by h11, WebSockets are not: httptools and websockets are not installed",
        ),
    ],
)
def test_what_serves_instead_of_what_is_not_installed_is_told_in_one_line(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    missing: list[str],
    told: str,
) -> None:
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    for chosen in ("uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto"):  # when it is imported
        monkeypatch.delitem(sys.modules, chosen, raising=False)
    tell_what_is_missing(configure(app, settings))
    assert caplog.messages == ([f"{told}: pip install 'prefork[asgi]'"] if told else [])


def test_a_class_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(
        ConfigError, match=r"^\[backends.asyncio\] uvicorn {'http': 'htp:x'}: ImportFromStringError: [^\n]+$"
    ):
        configure(app, {"http": "htp:x"})
