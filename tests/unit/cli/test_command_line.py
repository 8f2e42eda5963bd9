from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork.backends.registry import KnownBackend
from prefork.cli.serve import become_master
from prefork.errors import PreforkError
from prefork.layers import Loaded, Sources, load
from prefork.master.handover import Handover

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.cli.conftest import Outcome

    Prefork = Callable[..., Outcome]

USAGE = {
    "a flag almost right": (
        "check echo.py:Echo --max-worker 3",
        "--max-worker: unknown flag; did you mean --max-workers?",
    ),
    "a flag with its value attached": (
        "check echo.py:Echo --max-worker=3",
        "--max-worker: unknown flag; did you mean --max-workers?",
    ),
    "a flag like no other": ("check echo.py:Echo --zzz", "--zzz: unknown flag; see --help"),
    "a short flag": ("check -x", "-x: unknown flag; see --help"),
    "a flag of a backend": (
        "check echo.py:Echo --backends.selectors.x 3",
        "--backends.selectors.x: the options of a backend are read from a file: [backends.NAME]",
    ),
    "a flag without its value": ("check echo.py:Echo --max-workers", "--max-workers: it needs a value"),
    "-c without its value": ("check -c", "-c: it needs a value"),
    "a flag twice": ("check echo.py:Echo --max-workers 1 --max-workers 2", "--max-workers: it is there twice"),
    "a flag by both its names": (
        "check echo.py:Echo --max-workers 1 --pool.max-workers 2",
        "--pool.max-workers: it is there twice",
    ),
    "two apps": ("check echo.py:Echo other.py:App", "'other.py:App': one word too many"),
    "a word behind status": ("status echo", "'echo': one word too many"),
    "a switch with a value": (
        "status --json=perhaps",
        'Invalid value for --json: unable to convert "perhaps" into bool.',
    ),
    "a command almost right": ("serv", "'serv': unknown command; did you mean serve?"),
    "a command like no other": (
        "xyzzy",
        (
            "'xyzzy': unknown command; known: serve, check, simulate, tune, schema, backends, status, stop, "
            "pause, resume, scale, reload, drain, why, replay, journal"
        ),
    ),
    "an app for a command": (
        "echo.py:Echo",
        "'echo.py:Echo': unknown command; did you mean prefork serve echo.py:Echo?",
    ),
    "a flag for a command": (
        "--listen tcp://h:1",
        (
            "--listen: a command comes first: serve, check, simulate, tune, schema, backends, status, stop, "
            "pause, resume, scale, reload, drain, why, replay, journal"
        ),
    ),
    "a word for a number": ("check echo.py:Echo --max-workers many", "--max-workers: 'many' is not a whole number"),
    "a word for a number, the long way": (
        "check echo.py:Echo --pool.max-workers=many",
        "--pool.max-workers: 'many' is not a whole number",
    ),
    "a negative number": ("check echo.py:Echo --min-workers -1", "--min-workers: '-1' is under the least, 0"),
    "a bare port": (
        "check echo.py:Echo --listen :1",
        (
            "--listen: ':1' is no listen URL: "
            "say tcp://127.0.0.1:1 for this machine alone, or tcp://0.0.0.0:1 for every network"
        ),
    ),
    "a fixed number and another kind": (
        "check echo.py:Echo --workers 3 --kind spare",
        '--workers: it belongs to kind = "static", and the kind is "spare" (--kind)',
    ),
    "a fixed number over the most": (
        "check echo.py:Echo --workers 5 --max-workers 4",
        "--workers, --max-workers: sizing.workers (5) is over max_workers (4): lower one or raise the other",
    ),
    "an unknown backend": (
        "check echo.py:Echo --backend gevnt",
        (
            "--backend: 'gevnt' is not known; installed: selectors "
            "(third-party backends register in the entry-point group 'prefork.backends')"
        ),
    ),
    "a backend almost right": (
        "check echo.py:Echo --backend selector",
        (
            "--backend: 'selector' is not known; installed: selectors; did you mean 'selectors'? "
            "(third-party backends register in the entry-point group 'prefork.backends')"
        ),
    ),
    "a loop of a backend in the place of a backend": (
        "check echo.py:Echo --backend uvloop",
        (
            "--backend: 'uvloop' is not known; installed: selectors; say backend = 'asyncio', which runs "
            "on uvloop where prefork[uvloop] is installed "
            "(third-party backends register in the entry-point group 'prefork.backends')"
        ),
    ),
    "a config file that isn't there": ("serve -c no.toml", "-c no.toml: there is no such file"),
    "no app": ("serve", 'app: not given: say `prefork serve file.py:NAME`, or app = "file.py:NAME" in prefork.toml'),
    "a wait that is no duration": (
        "stop --timeout soon",
        '--timeout: \'soon\' is no duration: write seconds as a number, or such as "30s", "500ms", "2m" or "1h"',
    ),
    "two ways to an instance": ("status -c a.toml --control b.ctl", "-c and --control: one of them is enough"),
}


@pytest.fixture(autouse=True)
def _one_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is installed here, the messages list this one."""
    only = [KnownBackend("selectors", "prefork.backends.selector_loop", "prefork")]
    monkeypatch.setattr("prefork.backends.registry.known_backends", lambda: only)
    monkeypatch.setattr("prefork.cli.backends.known_backends", lambda: only)


@pytest.mark.parametrize(("line", "message"), USAGE.values(), ids=USAGE)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(prefork: Prefork, line: str, message: str) -> None:
    assert prefork(*line.split()) == (2, "", f"prefork: {message}\n")


def test_an_app_that_isn_t_there_is_one_line(prefork: Prefork, folder: Path) -> None:
    file = folder / "no.py"
    message = f"prefork: APP: '{file}:Echo': there is no file {file}\n"
    assert prefork("check", "no.py:Echo") == (2, "", message)
    assert prefork("serve", "no.py:Echo") == (2, "", message)


def test_no_arguments_are_a_call_for_help(prefork: Prefork) -> None:
    done = prefork()
    assert (done.code, done.err) == (0, "")
    assert all(
        f"│ {name} " in done.out
        for name in ("serve", "check", "simulate", "tune", "schema", "backends", "status", "stop")
    )


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_one_line(prefork: Prefork, flag: str) -> None:
    done = prefork(flag)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)


def test_help_names_each_flag_with_its_text(prefork: Prefork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = prefork("serve", "--help")
    text = " ".join(done.out.split())
    assert done.code == 0
    assert "--pool.max-workers --max-workers N Most workers, booting and draining ones included. " in text
    assert "--config -c FILE The config file. Left out: ./prefork.toml, if it is there." in text
    assert "--pool.sizing.kind --kind spare|static|demand How many workers are needed. Default: demand." in text
    assert "--listen URL" in text
    assert "APP What is served: module:attribute or file.py:attribute." in text


def test_the_schema_is_json(prefork: Prefork) -> None:
    done = prefork("schema")
    schema = json.loads(done.out)
    assert (done.code, schema["required"], schema["title"]) == (0, ["app"], "ServerConfig")


def test_backends_name_their_distribution(prefork: Prefork) -> None:
    done = prefork("backends")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("selectors  prefork  native session, ")


def test_an_interrupt_is_no_traceback(prefork: Prefork, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("prefork.cli.schema.schema", interrupted)
    assert prefork("schema") == (130, "", "")


class _ExecedError(Exception):
    """What stands for the end of this process."""


@pytest.fixture
def execed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    calls: list[tuple[str, list[str]]] = []

    def execv(path: str, argv: list[str]) -> None:
        calls.append((path, argv))
        raise _ExecedError

    monkeypatch.setattr(os, "execv", execv)
    return calls


def _handed_over(argv: list[str]) -> Handover:
    assert os.get_inheritable(int(argv[-1]))
    return Handover.from_file(int(argv[-1]))


def test_serve_becomes_a_master_that_has_the_config_and_reads_the_same_sources_again(
    prefork: Prefork, folder: Path, execed: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFORK_NAME", "shop")
    (folder / "shop.toml").write_text("[pool]\nmin_workers = 3\n")
    with pytest.raises(_ExecedError):
        prefork(
            "serve", "echo.py:Echo", "-c", "shop.toml", "--listen", "tcp://h:1", "--listen", "unix:a", "--workers", "4"
        )
    ((path, argv),) = execed
    handed = _handed_over(argv)
    assert path == argv[0] == sys.executable
    assert argv[-4:-1] == ["-P", "-m", "prefork.master"]
    assert all(Path(each).is_absolute() for each in handed.sys_path)
    assert handed.sources is not None
    sources = Sources.from_json(handed.sources)
    assert sources == Sources(
        cwd=str(folder),
        file="shop.toml",
        flags={
            "app": "echo.py:Echo",
            "listen": ["tcp://h:1", "unix:a"],
            "pool": {"sizing": {"workers": "4", "kind": "static"}},
        },
        spelled={
            "app": "APP",
            "listen": "--listen",
            "pool.sizing.workers": "--workers",
            "pool.sizing.kind": "--workers",
        },
        environ={"PREFORK_NAME": "shop"},
    )
    loaded = load(sources)
    assert loaded.config.name == "shop"
    assert handed.config == loaded.config.plain()
    assert handed[2:5] == (loaded.app_path, loaded.origins, loaded.config_file)


def _loaded(folder: Path) -> tuple[Loaded, Sources]:
    sources = Sources(str(folder), flags={"app": "echo.py:Echo"})
    return load(sources), sources


def test_the_interpreter_s_own_flags_are_kept(
    execed: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("subprocess._args_from_interpreter_flags", lambda: ["-X", "dev"])
    with pytest.raises(_ExecedError):
        become_master(*_loaded(folder))
    ((_, argv),) = execed
    _handed_over(argv)
    assert argv[1:-1] == ["-X", "dev", "-P", "-m", "prefork.master"]


def test_an_interpreter_that_is_gone_is_one_line(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    with pytest.raises(PreforkError, match=r"can't be started again: .* No such file or directory"):
        become_master(*_loaded(folder))
