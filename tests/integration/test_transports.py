"""Which loop runs which of the styles that asyncio's transports carry: each cell of that table, a `no` too."""

from __future__ import annotations

import importlib.util
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from prefork import CrashConfig, PoolConfig
from prefork.backends.registry import load_backend
from prefork.backends.uvicorn_settings import check_settings, configure
from prefork.errors import BootError, ConfigError
from prefork.testing import running
from tests.apps import transports

if TYPE_CHECKING:
    from prefork.app.styles import Style, Support
    from prefork.testing import LivePool

RUNS: list[tuple[Style, str, dict[str, Any], Support]] = [
    ("protocol", "asyncio", {"loop": "asyncio"}, "native"),
    ("protocol", "asyncio", {"loop": "uvloop"}, "native"),
    ("streams", "asyncio", {"loop": "asyncio"}, "native"),
    ("streams", "asyncio", {"loop": "uvloop"}, "native"),
    ("streams", "threads", {}, "bridged"),
    ("asgi", "asyncio", {"loop": "asyncio"}, "native"),
    ("asgi", "asyncio", {"loop": "uvloop"}, "native"),
]
RUNS_NOT: list[tuple[Style, str, str]] = [
    ("protocol", "selectors", "'asyncio'"),
    ("protocol", "threads", "'asyncio'"),
    ("streams", "selectors", "'asyncio' or 'threads'"),
    ("asgi", "selectors", "'asyncio'"),
    ("asgi", "threads", "'asyncio'"),
]
FEW_TRIES = PoolConfig(crash=CrashConfig(burst=10))
APPS: dict[str, Any] = {"protocol": transports.Protocol, "streams": transports.streams, "asgi": transports.asgi}


def answer(pool: LivePool, said: bytes) -> bytes:
    with socket.create_connection(pool.address, 5) as client:
        client.sendall(said)
        heard = b""
        while not heard.endswith(b"hello\n"):
            more = client.recv(65536)
            assert more, heard
            heard += more
        return heard


@pytest.mark.parametrize(("style", "loop", "options", "how"), RUNS)
def test_a_loop_that_runs_it_serves_it(style: Style, loop: str, options: dict[str, Any], how: Support) -> None:
    assert load_backend(loop).styles[style] == how
    said = b"hello\n"
    if style == "asgi":
        said = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n" + said
    with running(APPS[style], backend=loop, backends={loop: options}) as pool:
        assert answer(pool, said).endswith(b"hello\n")
        pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))
        assert pool.stop() == 0
        assert "ERROR" not in pool.log


@pytest.mark.parametrize(("style", "loop", "can"), RUNS_NOT)
def test_a_loop_that_cannot_run_it_names_those_that_can(style: Style, loop: str, can: str) -> None:
    with pytest.raises(ConfigError) as refused, running(APPS[style], backend=loop):
        pass
    others = str(refused.value).removeprefix(f"backend {loop!r} can't run an app of style {style!r}: use backend = ")
    assert others == can


def test_a_lifespan_that_fails_is_a_boot_that_fails_in_one_line() -> None:
    with pytest.raises(BootError) as failed, running(transports.unfit, backend="asyncio", pool=FEW_TRIES):
        pass
    assert str(failed.value) == (
        "app 'tests.apps.transports:unfit': no worker became ready, the last one: lifespan startup failed: "
        "OSError: no database; gave up: never_ready (crash_burst=10): mend the app, and start again"
    )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_lifespan_that_fails_is_told_once_at_length_and_then_shortly(loop: str) -> None:
    """By the user's own lines; what lies between them and the worker's first line is nobody's business."""
    options = {"asyncio": {"loop": loop}}
    with running(transports.breaks, backend="asyncio", backends=options, pool=FEW_TRIES, wait=False) as pool:
        assert pool.wait() == BootError.exit_code
        log = pool.log
    failed = "failed to start app 'tests.apps.transports:breaks': lifespan startup failed: OSError: no database"
    assert re.search(rf": worker [12] {failed}\n", log)
    assert len(re.findall(r"Traceback|raise OSError", log)) == 2
    assert re.findall(r'  File "([^"]+)"', log) == [transports.__file__]
    assert len(log.splitlines()) < 25
    assert not re.search(r"worker \d+ ended: exit code", log)


def test_without_uvicorn_an_asgi_app_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    cure = "uvicorn is not installed: pip install 'prefork[asgi]'"
    with pytest.raises(ConfigError, match=r"style 'asgi' is served by uvicorn's protocols; uvicorn is not installed"):
        configure(transports.asgi, {})
    with pytest.raises(ValueError, match=r"uvicorn is not installed") as refused:
        check_settings({"root_path": "/"})
    assert str(refused.value) == cure
