"""A FastAPI app under prefork, found by its name; httpx, websockets and wrk are its clients."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from prefork.testing import running
from tests.interop.programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.testing import LivePool

APP = "tests.interop.apps.web:web"


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def options(request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    return {"asyncio": {"loop": request.param}}


@pytest.fixture(scope="module")
def pool(options: dict[str, dict[str, str]]) -> Iterator[LivePool]:
    """It ends with nothing to complain about."""
    with running(APP, backend="asyncio", backends=options) as pool:
        yield pool
        pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))
        assert pool.stop() == 0
        assert "ERROR" not in pool.log


def at(pool: LivePool, kind: str = "http", path: str = "") -> str:
    host, port = pool.address
    return f"{kind}://{host}:{port}{path}"


def test_requests_of_one_client_share_a_connection_and_the_lifespan_s_state(pool: LivePool) -> None:
    with httpx.Client(base_url=at(pool)) as client:
        for _ in range(5):
            assert client.get("/").json() == {"state": "at startup", "scheme": "http", "peer": "127.0.0.1"}
        assert client.post("/echo", content=b"x" * 3_000_000).json() == {"bytes": 3_000_000}
        assert client.get("/behind").json() == "soon"
        assert client.get("/blocking").json() == "done"
        assert client.get("/nowhere").status_code == 404
        assert client.get("/numbers/one").status_code == 422


def test_a_proxy_on_this_machine_is_believed(pool: LivePool) -> None:
    told = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"}
    assert httpx.get(at(pool, path="/"), headers=told).json()["peer"] == "192.0.2.1"
    assert httpx.get(at(pool, path="/"), headers=told).json()["scheme"] == "https"


def test_a_streaming_response_comes_in_order(pool: LivePool) -> None:
    with httpx.stream("GET", at(pool, path="/numbers/5000")) as response:
        assert list(response.iter_lines()) == [str(number) for number in range(5000)]


def test_websockets_talk(pool: LivePool) -> None:
    with (
        connect(at(pool, "ws", "/ws"), subprotocols=[Subprotocol("chat")]) as one,
        connect(at(pool, "ws", "/ws")) as two,
    ):
        assert one.subprotocol == "chat"
        for number in range(50):
            one.send(f"ab{number}")
            two.send("x" * 70_000)
            assert one.recv() == f"ab{number}"[::-1]
            assert two.recv() == "x" * 70_000


@pytest.mark.needs("wrk")
def test_wrk_sees_no_error(pool: LivePool) -> None:
    told = run(["wrk", "-t1", "-c32", "-d1s", at(pool, path="/")]).decode()
    assert "Socket errors" not in told
    assert "Non-2xx" not in told
    (requests,) = re.findall(r"(\d+) requests in", told)
    assert int(requests) > 50


def test_at_a_stop_requests_are_answered_and_websockets_told(
    options: dict[str, dict[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    with running(APP, backend="asyncio", backends=options) as pool, ThreadPoolExecutor(1) as thread:
        with httpx.Client(base_url=at(pool)) as idle, connect(at(pool, "ws", "/ws")) as socket:
            idle.get("/")
            socket.send("a")
            assert socket.recv() == "a"
            with httpx.stream("GET", at(pool, path="/numbers/3000")) as slow:
                lines = slow.iter_lines()
                assert next(lines) == "0"
                stopped = thread.submit(pool.stop)
                with pytest.raises(ConnectionClosed) as closed:
                    socket.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1012
                assert sum(1 for _ in lines) == 2999
            assert stopped.result() == 0
        assert "ERROR" not in pool.log
    out = capfd.readouterr().out.split()
    assert out.count("startup") == out.count("shutdown") > 1
