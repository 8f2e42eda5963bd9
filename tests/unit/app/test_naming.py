from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.app.app import App, load_app
from prefork.app.framing import Lines
from prefork.app.naming import name_of
from prefork.app.session import Session
from prefork.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ECHO = """
from prefork import App, Lines, Session
class Echo(Session[str]):
    framer = Lines
    class Inner(Session[str]):
        framer = Lines
app = App(Echo)
count = 3
session = Echo()
class NoFramer(Session[str]): pass
class Needs(Session):
    framer = Lines
    def __init__(self, x): pass
def factory(): return Echo()

class Other: pass
if __name__ == "__main__":
    raise SystemExit("the main block ran")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory; imports are undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(name: str) -> AppError:
    with pytest.raises(AppError) as caught:
        load_app(name)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "name", ["echo_x.py:Echo", "echo_x.py:Echo.Inner", "echo_x.py:app", "echo_x:Echo", "./echo_x.py:Echo"]
)
def test_an_app_is_found_by_its_name(folder: Path, name: str) -> None:
    (folder / "echo_x.py").write_text(ECHO)
    assert isinstance(load_app(name).session().framer, type)


def test_a_file_is_a_proper_module_of_its_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "helper_x.py").write_text("WORD = 'beside'")
    (folder / "sub" / "echo_x.py").write_text("from helper_x import WORD\n" + ECHO)
    app = load_app(str(folder / "sub" / "echo_x.py") + ":Echo")
    assert sys.path[0] == str(folder / "sub")
    assert sys.modules["echo_x"].Echo is app.handler
    assert load_app("sub/echo_x.py:Echo").handler is app.handler


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "echo_x.py:Ech",
            "app 'echo_x.py:Ech': the module has no attribute 'Ech'; did you mean 'Echo'?",
            id="a misspelt attribute",
        ),
        pytest.param(
            "echo_x.py:Echo.Iner",
            "app 'echo_x.py:Echo.Iner': Echo has no attribute 'Iner'; did you mean 'Inner'?",
            id="a misspelt attribute of an attribute",
        ),
        pytest.param(
            "ecko_x.py:Echo",
            "app 'ecko_x.py:Echo': no such file: {folder}/ecko_x.py; did you mean 'echo_x.py'?",
            id="no such file",
        ),
        pytest.param("nomod_x:Echo", "app 'nomod_x:Echo': no module 'nomod_x' on sys.path", id="no such module"),
        pytest.param(
            "xml.nomod_x:Echo", "app 'xml.nomod_x:Echo': no module 'xml.nomod_x' on sys.path", id="no such submodule"
        ),
        pytest.param(
            "echo_x.Echo",
            "app 'echo_x.Echo': expected 'module:attribute' or 'file.py:attribute'; did you mean 'echo_x:Echo'?",
            id="a dot in the place of the colon",
        ),
        pytest.param(
            "echo_x.py",
            "app 'echo_x.py': expected 'module:attribute' or 'file.py:attribute'; did you mean 'echo_x.py:App'?",
            id="a file alone",
        ),
        pytest.param("", "app '': expected 'module:attribute' or 'file.py:attribute'", id="nothing"),
        pytest.param(
            "echo_x.py:count",
            "app 'echo_x.py:count': 3 is neither an App nor anything that can be called",
            id="a number",
        ),
        pytest.param(
            "echo_x.py:session",
            "app 'echo_x.py:session': a Echo object serves one connection: give the class, not an instance",
            id="an instance",
        ),
        pytest.param(
            "echo_x.py:NoFramer",
            "app 'echo_x.py:NoFramer': NoFramer names no framer: write `framer = Lines` (or Stream, ...) in its body, "
            "or give App(…, framer=Lines)",
            id="no framer",
        ),
        pytest.param(
            "echo_x.py:Needs",
            "app 'echo_x.py:Needs': Needs needs arguments (x), but it is called without any: bind them with "
            "functools.partial and say style='session'",
            id="a class with arguments",
        ),
        pytest.param(
            "echo_x.py:factory",
            "app 'echo_x.py:factory': factory doesn't tell its style by its form: say App(…, style=…), one of session, "
            "coroutine, streams, protocol, socket, asgi, wsgi",
            id="a factory",
        ),
        pytest.param(
            "echo_x.py:Other",
            "app 'echo_x.py:Other': Other is no subclass that tells its style (a class of prefork.Session, "
            "asyncio.Protocol, BufferedProtocol or socketserver.BaseRequestHandler): say App(…, style=…): session, "
            "coroutine, streams, protocol, socket, asgi, wsgi",
            id="a class of another kind",
        ),
        pytest.param(
            "json.py:x",
            "app 'json.py:x': a module named 'json' is already in use by Python: rename the file",
            id="json",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_told_in_one_line(folder: Path, name: str, message: str) -> None:
    (folder / "echo_x.py").write_text(ECHO)
    (folder / "json.py").write_text("x = 1")
    error = refusal(name)
    assert str(error) == message.format(folder=folder)
    assert error.frames == ""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param("def f(): return 1 / 0\nf()", "ZeroDivisionError: division by zero", id="an exception"),
        pytest.param("raise SystemExit(3)", "importing it called sys.exit(3)", id="sys.exit"),
        pytest.param("raise KeyboardInterrupt", "importing it was interrupted", id="Ctrl-C"),
        pytest.param(
            "raise ImportError('no driver for postgres:\\n\\n  install psycopg\\n  or asyncpg\\n')",
            "ImportError: no driver for postgres: install psycopg or asyncpg",
            id="a message of some lines",
        ),
        pytest.param("import nomod_x", "ModuleNotFoundError: No module named 'nomod_x'", id="its own missing import"),
    ],
)
@pytest.mark.parametrize("name", ["broken_x.py:app", "broken_x:app"])
def test_what_the_users_code_raises_comes_with_its_own_frames(folder: Path, name: str, code: str, message: str) -> None:
    (folder / "broken_x.py").write_text(code)
    error = refusal(name)
    assert str(error) == f"app {name!r}: {message}"
    files = [line.split('"')[1] for line in error.frames.splitlines() if line.startswith("  File ")]
    assert set(files) == {str(folder / "broken_x.py")}
    assert "broken_x" not in sys.modules


def test_a_syntax_error_is_shown_with_its_place(folder: Path) -> None:
    (folder / "broken_x.py").write_text("x = 1\ndef f(:\n")
    error = refusal("broken_x.py:app")
    assert str(error) == f"app 'broken_x.py:app': SyntaxError: invalid syntax ({folder / 'broken_x.py'}, line 2)"
    assert f'File "{folder / "broken_x.py"}", line 2' in error.frames
    assert "    def f(:" in error.frames
    assert "importlib" not in error.frames


class Named(Session[str]):
    framer = Lines

    class Inner(Session[str]):
        framer = Lines


def test_an_object_is_named_by_module_and_qualified_name() -> None:
    assert name_of(Session) == "prefork.app.session:Session"
    assert name_of(Session.send) == "prefork.app.session:Session.send"


held = App(Named)
made = functools.partial(Named)


def test_an_object_without_a_name_of_its_own_goes_by_the_global_that_it_is() -> None:
    assert name_of(held) == f"{__name__}:held"
    assert name_of(made) == f"{__name__}:made"


def local_class() -> type:
    class Local(Session[str]):
        framer = Lines

    return Local


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        pytest.param(
            local_class(),
            "app local_class.<locals>.Local: what is made inside a function can't be imported by another process: "
            "define it at the top of a module",
            id="a local class",
        ),
        pytest.param(
            lambda: None,
            "app <lambda>: a lambda can't be imported by another process: define it at the top of a module",
            id="a lambda",
        ),
        pytest.param(
            App(Named),
            "app App object: what is no global of any module can't be imported by another process: "
            "define it at the top of a module",
            id="an App object",
        ),
    ],
)
def test_what_has_no_name_is_told_in_one_line(obj: object, message: str) -> None:
    with pytest.raises(AppError) as caught:
        name_of(obj)
    assert str(caught.value) == message


def test_a_script_is_named_by_its_file(folder: Path) -> None:
    script = folder / "script_x.py"
    script.write_text(
        "from prefork import Lines, Session\nfrom prefork.app.naming import name_of\n"
        "class Echo(Session[str]):\n    framer = Lines\n"
        "if __name__ == '__main__':\n    print(name_of(Echo))\n    late = Echo()\n    print(name_of(late))\n"
    )
    env = {"PYTHONPATH": ":".join(sys.path)}
    run = [sys.executable, "script_x.py"]
    printed = subprocess.run(run, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout
    own, late = printed.splitlines()
    assert own == f"{script}:Echo"
    assert load_app(own).session().framer is Lines
    assert str(refusal(late)) == (
        f"app '{script}:late': the module has no attribute 'late', where it is imported: move it above "
        "`if __name__ == '__main__':`"
    )
    run = [sys.executable, "-m", "script_x"]
    printed = subprocess.run(run, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout
    assert printed == "script_x:Echo\nscript_x:late\n"
