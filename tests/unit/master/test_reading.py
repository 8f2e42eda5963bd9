"""A config read again for a master: by a judge, asked over a socket."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from prefork.errors import ConfigError
from prefork.layers import Sources, load
from prefork.master import reading
from prefork.master.judge import answer
from prefork.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

FILE = 'app = "echo:Echo"\nlisten = "unix:here"\n[pool]\nmax_workers = 7\n'


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "prefork.toml").write_text(FILE)
    return Sources(str(tmp_path), environ={"PREFORK_NAME": "shop"})


def refused(**question: Any) -> str:
    error = answer({"version": VERSION, **question})
    assert isinstance(error, ConfigError)
    return str(error)


def test_a_judge_reads_what_the_command_line_would(sources: Sources) -> None:
    loaded = load(sources)
    assert reading.read_config(sources.to_json()) == (loaded.config.plain(), loaded.origins)


def test_a_judge_reads_the_pool_of_a_shadow(sources: Sources) -> None:
    file = f"{sources.cwd}/prefork.toml"
    assert reading.read_policy(file) == load(sources).config.pool.plain()


def test_what_a_judge_refuses_is_raised_with_its_text_and_exit_code(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "prefork.toml").write_text(f"{FILE}min_workers = 9\n")
    with pytest.raises(ConfigError) as caught:
        reading.read_config(sources.to_json())
    assert caught.value.exit_code == 2
    with pytest.raises(ConfigError) as same:
        load(sources)
    assert str(caught.value) == str(same.value)


def test_certificates_are_judged_too(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "prefork.toml").write_text(
        'app = "a:b"\n[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "gone.pem"\n'
    )
    told = f"listen tcp://h:1: tls.cert {tmp_path}/gone.pem: No such file or directory"
    assert refused(sources=sources.to_json()) == told


def test_another_prefork_than_the_master_s_reads_nothing(sources: Sources) -> None:
    told = f"reload: prefork 0.0.1 runs, and {VERSION} is installed by now: stop it, and start it anew"
    assert refused(version="0.0.1", sources=sources.to_json()) == told


ENDS = {
    "ends": "raise SystemExit(1)",
    "says nothing": "pass",
    "takes too long": "import signal; signal.pause()",
}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_a_judge_that_says_nothing_refuses(sources: Sources, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(reading, "PATIENCE_S", 0.2)
    monkeypatch.setattr(reading, "command", lambda _: [sys.executable, "-c", code])
    with pytest.raises(ConfigError, match=r"what reads the config has ended, or took longer than 0.2 s"):
        reading.read_config(sources.to_json())


def test_a_judge_that_cannot_be_started_refuses(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "command", lambda _: [f"{sources.cwd}/python"])
    with pytest.raises(ConfigError, match="what reads the config can't be started: No such file or directory"):
        reading.read_config(sources.to_json())


@pytest.mark.parametrize("module", ["prefork.master.__main__", "prefork.journal.scribe"])
def test_who_lives_as_long_as_a_pool_keeps_nothing_that_judges_a_config(module: str) -> None:
    unwanted = {"pydantic", "pydantic_core", "tomllib", "cyclopts", "ssl", "asyncio", "email", "importlib.metadata"}
    code = f"import sys, {module}; print(sorted({unwanted!r} & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
