"""A Flask app and Django's default project, found by name, under httpx, curl and wrk."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prefork import PoolConfig, PreforkError
from prefork.testing import running
from tests.interop.programs import DEADLINE_S, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.testing import LivePool

FLASK = f"{Path(__file__).parents[1] / 'apps' / 'blocking.py'}:flask"
LOOPS = {"threads": {}, "asyncio": {"loop": "asyncio"}, "uvloop": {"loop": "uvloop"}}


@pytest.fixture(scope="module", params=LOOPS)
def backend(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What `running` is to be given."""
    name = "threads" if request.param == "threads" else "asyncio"
    return {"backend": name, "backends": {name: LOOPS[request.param]}}


@pytest.fixture(scope="module")
def flask(backend: dict[str, Any]) -> Iterator[LivePool]:
    with running(FLASK, **backend) as pool:
        yield pool
        assert pool.stop() == 0


@contextlib.contextmanager
def project(folder: Path, backend: dict[str, Any]) -> Iterator[LivePool]:
    """What `django-admin startproject` makes, served from its folder."""
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", folder], check=True, timeout=DEADLINE_S)
    with contextlib.chdir(folder), running("mysite.wsgi:application", **backend) as pool:
        yield pool
        assert pool.stop() == 0
        assert "ERROR" not in pool.log


def web(pool: LivePool) -> str:
    return pool.urls[0].replace("tcp://", "http://")


def test_a_flask_app_answers_httpx(flask: LivePool) -> None:
    with httpx.Client(base_url=web(flask)) as client:
        assert client.get("/").text == "hello world"
        assert client.get("/", params={"name": "Ada & Eve"}).text == "hello Ada & Eve"
        assert client.post("/reversed", content="abc" * 50_000).text == "cba" * 50_000
        poured = client.get("/poured")
        assert poured.headers["Transfer-Encoding"] == "chunked"
        assert poured.text.split() == [str(number) for number in range(1000)]
        assert client.get("/missing").status_code == 404
        assert client.get("/fails").status_code == 500
        assert client.get("/").text == "hello world"


@pytest.mark.needs("curl")
def test_curl_sends_a_body_in_chunks_when_it_was_told_to_go_on(flask: LivePool, tmp_path: Path) -> None:
    (tmp_path / "body").write_text("abc" * 500_000)
    chunked = [
        "-T",
        str(tmp_path / "body"),
        "-X",
        "POST",
        "-H",
        "Transfer-Encoding: chunked",
        "-H",
        "Expect: 100-continue",
    ]
    said = run(["curl", "-sS", *chunked, "--expect100-timeout", "15", f"{web(flask)}/reversed"])
    assert said == b"cba" * 500_000


@pytest.mark.needs("wrk")
def test_django_s_default_project_answers_httpx_and_every_request_of_wrk(
    backend: dict[str, Any], tmp_path: Path
) -> None:
    with project(tmp_path, backend) as django:
        look_at(django)


def look_at(django: LivePool) -> None:
    with httpx.Client(base_url=web(django)) as client:
        assert "The install worked successfully" in client.get("/").text
        redirect = client.get("/admin/")
        assert (redirect.status_code, redirect.headers["Location"]) == (302, "/admin/login/?next=/admin/")
        page = client.get("/admin/login/")
        assert page.status_code == 200
        assert client.cookies.get("csrftoken")
        assert client.post("/admin/login/", data={"username": "x"}).status_code == 403
    said = run(["wrk", "-t1", "-c16", "-d1s", f"{web(django)}/admin/login/"]).decode()
    found = re.search(r"(\d+) requests in", said)
    assert found is not None, said
    assert int(found[1]) > 16, said
    assert "Socket errors" not in said
    assert "Non-2xx" not in said


@pytest.mark.needs("wrk")
def test_a_pool_that_is_reloaded_under_wrk_refuses_nobody() -> None:
    with running(FLASK, pool=PoolConfig(min_workers=1, max_workers=2), backend="threads") as pool:
        command = ["wrk", "-t1", "-c8", "-d1s", f"{web(pool)}/"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            pool.wait_for(lambda view: any(worker.sessions for worker in view.workers))
            pool.ask("reload")
            pool.wait_for(lambda view: view.generation == 2 and all(each.generation == 2 for each in view.workers))
            said = load.communicate(timeout=DEADLINE_S)[0]
        assert "Non-2xx" not in said
        assert not re.search(r"connect [1-9]|timeout [1-9]", said), said


def test_the_default_loop_can_not_run_it_and_names_those_that_can() -> None:
    with pytest.raises(PreforkError) as raised, running(FLASK):
        pass
    assert re.search(
        r"backend 'selectors' can't run an app of style 'wsgi': use backend = .*'threads'", str(raised.value)
    )
