"""The two rows of the table of styles whose sessions may block: which loops run them, and what the others say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from prefork import App, ConfigError
from prefork.backends.blocking import adopt_blocking
from prefork.backends.registry import load_backend, require_style

if TYPE_CHECKING:
    from collections.abc import Iterable


def handle(sock: object) -> None:
    raise NotImplementedError


def wsgi(environ: object, start_response: object) -> Iterable[bytes]:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("loop", "of_sockets", "of_wsgi"),
    [
        ("selectors", "bridged", None),
        ("asyncio", "bridged", "bridged"),
        ("threads", "native", "native"),
        ("gevent", "native", "native"),
        ("trio", None, None),
    ],
)
def test_each_loop_says_how_it_runs_them(loop: str, of_sockets: str | None, of_wsgi: str | None) -> None:
    styles = load_backend(loop).styles
    assert (styles.get("socket"), styles.get("wsgi")) == (of_sockets, of_wsgi)


def test_a_loop_that_can_not_names_those_that_can() -> None:
    told = "backend 'selectors' can't run an app of style 'wsgi': use backend = 'asyncio' or 'gevent' or 'threads'"
    with pytest.raises(ConfigError) as raised:
        require_style(App(wsgi), "selectors", load_backend("selectors"))
    assert str(raised.value) == told


def test_without_the_extra_one_line_tells_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "prefork.app.wsgi", raising=False)
    monkeypatch.setitem(sys.modules, "gunicorn.config", None)
    adopt_blocking(App(handle))
    with pytest.raises(
        ConfigError, match=r"^an app of style 'wsgi' needs gunicorn's HTTP core \(.*\): pip install 'pre"
    ):
        adopt_blocking(App(wsgi))
