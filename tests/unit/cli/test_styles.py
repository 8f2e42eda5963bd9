"""`prefork check` imports the app in a child, and says how each loop runs its style."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.distributions import HOOK, install
from tests.unit.cli.test_loops import prefork

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

COROUTINE = """\
from prefork import App, Lines
async def handle(conn):
    async for line in conn:
        await conn.send(line)
app = App(handle, framer=Lines)
"""
WSGI = "def app(environ, start_response):\n    return []\n"
BROKEN = "def open_shop():\n    raise KeyError('till')\nopen_shop()\n"
BRIDGE = HOOK.replace("NAME", "bridge").replace('"session": "native"', '"wsgi": "bridged"')


def check(site: Path, app: str, *argv: str) -> subprocess.CompletedProcess[str]:
    (site / "shop.py").write_text(app)
    return prefork(site, "check", "shop.py:app", *argv)


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """The table of loops, by name."""
    lines = done.stdout.split("\n\n")[1].splitlines()
    return {line.split()[0]: line.split(maxsplit=1)[1].split("  ") for line in lines}


def test_the_style_of_the_app_and_how_each_loop_runs_it_are_shown(tmp_path: Path) -> None:
    install(tmp_path, "bridge-x1", "bridge", BRIDGE)
    install(tmp_path, "broken-x1", "broken", "raise ValueError")
    done = check(tmp_path, COROUTINE, "--backend", "threads")
    assert (done.returncode, done.stderr) == (0, "")
    shown = {name: [each.strip() for each in cells if each] for name, cells in rows(done).items()}
    assert shown["style"] == ["coroutine"]
    assert shown["threads"] == ["native", "the backend"]
    assert shown["bridge"] == ["no"]
    assert shown["broken"] == ["can't be used"]
    for loop in ("selectors", "asyncio", "trio", "gevent"):
        assert shown[loop] == ["native"]


def test_a_loop_that_can_not_run_it_is_refused_after_the_table_with_those_that_can(tmp_path: Path) -> None:
    install(tmp_path, "bridge-x1", "bridge", BRIDGE)
    done = check(tmp_path, WSGI)
    assert done.returncode == 2
    assert done.stderr.startswith("prefork: backend 'selectors' can't run an app of style 'wsgi': use backend = ")
    assert "'bridge'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert rows(done)["bridge"] == ["bridged"]


def test_a_broken_app_is_one_line_with_its_own_frames_after_the_config(tmp_path: Path) -> None:
    done = check(tmp_path, BROKEN)
    assert done.returncode == 2
    assert "pool.drain_timeout" in done.stdout
    first, *frames = done.stderr.splitlines()
    assert first == f"prefork: app '{tmp_path}/shop.py:app': KeyError: 'till'"
    assert [line.strip() for line in frames if "File" in line] == [
        f'File "{tmp_path}/shop.py", line 3, in <module>',
        f'File "{tmp_path}/shop.py", line 2, in open_shop',
    ]


@pytest.mark.parametrize(
    "call", ["prefork.serve(app, control=False)", "prefork.testing.running(app).__enter__()"], ids=["serve", "test"]
)
def test_an_app_that_serves_while_it_is_imported_is_one_line(tmp_path: Path, call: str) -> None:
    done = check(tmp_path, f"import prefork, prefork.testing\n{COROUTINE}{call}\n")
    assert done.returncode == 2
    assert done.stderr == (
        f"prefork: app '{tmp_path}/shop.py:app': shop.py serves while it is imported: put the call under "
        "`if __name__ == '__main__':`\n"
    )


@pytest.mark.parametrize(
    ("app", "line"),
    [
        pytest.param("import os\nos._exit(3)\n", "the process that imported it ended (exit code 3)", id="exits"),
        pytest.param(
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
            "the process that imported it ended (SIGKILL)",
            id="killed",
        ),
        pytest.param(
            "import signal\nsignal.pause()\n", "importing it took longer than import_timeout (0.5 s)", id="hangs"
        ),
        pytest.param("app = 7\n", "7 is neither an App nor anything that can be called", id="no app"),
    ],
)
def test_an_app_that_ends_or_hangs_its_process_is_told_as_serve_would(tmp_path: Path, app: str, line: str) -> None:
    done = check(tmp_path, app, "--import-timeout", "0.5" if "pause" in app else "20")
    assert (done.returncode, done.stderr) == (2, f"prefork: app '{tmp_path}/shop.py:app': {line}\n")


def test_what_the_app_prints_and_leaves_running_does_not_matter(tmp_path: Path) -> None:
    done = check(
        tmp_path,
        "import sys, threading\nprint('{}')\nsys.stdout.flush()\n"
        "threading.Thread(target=threading.Event().wait).start()\n" + COROUTINE,
    )
    assert (done.returncode, done.stderr) == (0, "")
