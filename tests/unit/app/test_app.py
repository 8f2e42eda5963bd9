from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from prefork.app.app import App
from prefork.app.framing import Lines, Stream
from prefork.app.session import Address, Session


class Plain(Session[str]):
    framer = Lines


class Bare(Session[str]):
    pass


class SetsOne(Session[str]):
    def __init__(self) -> None:
        self.framer = Lines(limit=7)


class Greeter(Session[str]):
    framer = Lines

    def __init__(self, word: str) -> None:
        self.word = word


async def _coroutine(_worker: object) -> None:
    """No hook."""


def _takes_none() -> None:
    raise NotImplementedError


def _takes_any(*_given: object) -> None:
    raise NotImplementedError


def framer(app: App) -> object:
    return app.framer_of(app.session())


def test_a_framer_class_stands_for_its_instance_which_sessions_share() -> None:
    app = App(Plain)
    assert framer(app) == Lines()
    assert framer(app) is framer(app)


def test_the_framer_of_the_app_is_taken_before_that_of_the_session() -> None:
    assert framer(App(Plain, framer=Lines(limit=3))) == Lines(limit=3)
    assert framer(App(Bare, framer=Lines)) == Lines()


def test_a_session_may_set_its_framer_when_it_is_made() -> None:
    assert framer(App(SetsOne)) == Lines(limit=7)


def test_a_callable_that_makes_a_session_is_an_app_when_its_style_is_said() -> None:
    for handler in (lambda: Greeter("hi"), partial(Greeter, "hi"), partial(Greeter, word="hi")):
        app = App(handler, style="session")
        assert framer(app) == Lines()
        assert app.style == "session"


def test_a_callable_that_makes_something_else_is_refused_when_it_does() -> None:
    app = App(lambda: 3, style="session")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="made a int, not a Session"):
        app.session()


def test_a_session_of_a_factory_without_a_framer_is_refused_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="Bare names no framer: write `framer = Lines`"):
        framer(App(partial(Bare), style="session"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"handler": Bare}, "Bare names no framer", id="no framer"),
        pytest.param({"handler": Greeter}, r"Greeter needs arguments \(word\)", id="a class that needs arguments"),
        pytest.param(
            {"handler": Bare, "framer": str}, "is no Framer; there are: Lines, Stream, Fixed", id="no framer class"
        ),
        pytest.param(
            {"handler": Plain, "style": "x"}, "style 'x' is not known; there are: session, coroutine", id="style"
        ),
        pytest.param({"handler": Plain, "admit": 3}, "admit 3 can't be called: give a function", id="no function"),
        pytest.param({"handler": Plain, "started": _coroutine}, "is a coroutine function: give", id="coroutine"),
        *(
            pytest.param(
                {"handler": Plain, name: _takes_none},
                rf"^{name} _takes_none can't be called with \({form}\), as it is going to be$",
                id=f"{name} without arguments",
            )
            for name, form in (("admit", "peer, listener"), ("started", "worker"), ("stopping", "worker"))
        ),
        pytest.param({"handler": Session}, "Session names no framer", id="Session itself"),
        *(
            pytest.param(
                {"handler": partial(_takes_any), "style": style, "framer": framer},
                rf"^framer={name}: only sessions and coroutines have one, and .+ is of style '{style}': leave it out$",
                id=f"a framer for {style}",
            )
            for style in ("streams", "protocol", "socket", "asgi", "wsgi")
            for framer, name in ((Lines, "Lines"), (Lines(limit=7), r"Lines\(.+\)"))
        ),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        App(**arguments)
    assert "\n" not in str(caught.value)


def test_addresses_read_as_people_write_them() -> None:
    assert str(Address("127.0.0.1", 80)) == "127.0.0.1:80"
    assert str(Address("::1", 80)) == "[::1]:80"
    assert str(Address("/run/x.sock", None)) == "unix:/run/x.sock"


def test_a_worker_imports_neither_pydantic_nor_asyncio_nor_the_command_line() -> None:
    code = (
        "import sys, prefork.app.app, prefork.backends.registry, prefork.backends.selector_loop\n"
        "bad = {'pydantic', 'asyncio', 'cyclopts', 'rich', 'prefork.config', 'prefork.cli', 'prefork.master'}\n"
        "print(sorted(bad & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"


def test_stream_is_bytes_through() -> None:
    class Raw(Session[bytes]):
        framer = Stream

    assert framer(App(Raw)) == Stream()
