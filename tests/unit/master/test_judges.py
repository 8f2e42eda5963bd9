"""A config read again for a master: by a judge, which has the question and leaves the answer in a memory file."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefork.errors import ConfigError
from prefork.layers import Sources, load
from prefork.master import judges
from prefork.master.facts import ConfigRead, Judged
from prefork.master.family import children
from prefork.master.judge import answer
from prefork.master.poller import Poller
from prefork.version import VERSION

FILE = 'app = "echo:Echo"\nlisten = "unix:here"\n[pool]\nmax_workers = 7\n'


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "prefork.toml").write_text(FILE)
    return Sources(str(tmp_path), environ={"PREFORK_NAME": "shop"})


def refused(**question: Any) -> str:
    error = answer({"version": VERSION, **question})
    assert isinstance(error, ConfigError)
    return str(error)


def ended(question: dict[str, Any]) -> Any:
    """The answer of a real judge."""
    judge = judges.asked(question)
    assert judge.pidfd is not None
    assert select.select([judge.pidfd], [], [], 20)[0]
    status = judge.reap()
    assert status is not None
    return judge.answer(status)


def test_a_judge_reads_what_the_command_line_would(sources: Sources) -> None:
    loaded = load(sources)
    read = ConfigRead(loaded.config.plain(), loaded.origins, None)
    assert ended({"sources": sources.to_json(), "shadow": None}) == read


def test_a_judge_reads_the_pool_of_a_shadow(sources: Sources) -> None:
    file = f"{sources.cwd}/prefork.toml"
    pool = load(sources).config.pool.plain()
    assert judges.read_policy(file) == pool
    assert ended({"sources": sources.to_json(), "shadow": file}).candidate == pool


def test_a_shadow_that_cannot_be_read_refuses_no_config(sources: Sources) -> None:
    read = ended({"sources": sources.to_json(), "shadow": "nowhere.toml"})
    assert read.config == load(sources).config.plain()
    assert str(read.candidate).startswith("shadow nowhere.toml: there is no such file")
    with pytest.raises(ConfigError) as caught:
        judges.read_policy("nowhere.toml")
    assert str(caught.value) == str(read.candidate)


def test_what_a_judge_refuses_has_its_text_and_exit_code(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "prefork.toml").write_text(f"{FILE}min_workers = 9\n")
    error = ended({"sources": sources.to_json()})
    with pytest.raises(ConfigError) as same:
        load(sources)
    assert (type(error), str(error)) == (ConfigError, str(same.value))


BEYOND_MEASURE = {"digits": f"a = {'9' * 5000}", "a nest": f"a = {'[' * 10_000}"}


@pytest.mark.parametrize("text", BEYOND_MEASURE.values(), ids=BEYOND_MEASURE)
def test_what_no_parser_reads_is_refused_in_a_line(sources: Sources, tmp_path: Path, text: str) -> None:
    (tmp_path / "prefork.toml").write_text(text)
    assert refused(sources=sources.to_json()).startswith("prefork.toml: it can't be read: ")
    file = f"{tmp_path}/prefork.toml"
    assert refused(shadow=file).startswith(f"{file}: it can't be read: ")


def test_certificates_are_judged_too(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "prefork.toml").write_text(
        'app = "a:b"\n[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "gone.pem"\n'
    )
    told = f"listen tcp://h:1: tls.cert {tmp_path}/gone.pem: No such file or directory"
    assert refused(sources=sources.to_json()) == told


def test_another_prefork_than_the_master_s_reads_nothing(sources: Sources) -> None:
    told = f"reload: prefork 0.0.1 runs, and {VERSION} is installed by now: stop it, and start it anew"
    assert refused(version="0.0.1", sources=sources.to_json()) == told


def test_one_whose_asker_is_gone_reads_nothing(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert isinstance(ended({"sources": sources.to_json()}), ConfigError)


ENDS = {"raise SystemExit(3)": "exit code 3", "pass": "exit code 0", "import os; os.kill(os.getpid(), 9)": "SIGKILL"}


@pytest.mark.parametrize(("code", "how"), ENDS.items(), ids=ENDS.values())
def test_a_judge_that_says_nothing_refuses(monkeypatch: pytest.MonkeyPatch, code: str, how: str) -> None:
    monkeypatch.setattr(judges, "command", lambda _: [sys.executable, "-c", code])
    told = f"what reads the config has ended ({how}): what it said is in the log"
    with pytest.raises(ConfigError) as caught:
        judges.read_policy("any.toml")
    assert str(caught.value) == told


def test_a_judge_that_takes_too_long_at_the_start_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "PATIENCE_S", 0.2)
    os.mkfifo(tmp_path / "fifo.toml")
    with pytest.raises(ConfigError, match=r"what reads the config took longer than 0.2 s: look at its files and their"):
        judges.read_policy(f"{tmp_path}/fifo.toml")
    assert children() == []
    assert not [each for each in Path("/proc/self/fd").iterdir() if "prefork-question" in os.path.realpath(each)]


def test_a_judge_that_cannot_be_started_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", f"{tmp_path}/python")
    with pytest.raises(ConfigError, match="what reads the config can't be started: No such file or directory"):
        judges.read_policy("any.toml")


def test_a_judge_that_the_kernel_cannot_start_is_a_fact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", f"{tmp_path}/python")
    told: list[Judged] = []
    judges.Judges(Poller(), told.append).ask(3, {"shadow": "any.toml"})
    assert [(each.judge, str(each.answer)) for each in told] == [
        (3, "what reads the config can't be started: No such file or directory")
    ]


def test_a_judge_that_cannot_be_watched_is_ended_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    os.mkfifo(tmp_path / "fifo.toml")
    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(ConfigError, match="what reads the config can't be started: Too many open files"):
        judges.asked({"shadow": f"{tmp_path}/fifo.toml"})
    assert children() == []
    assert not [each for each in Path("/proc/self/fd").iterdir() if "prefork-question" in os.path.realpath(each)]


@pytest.mark.parametrize("module", ["prefork.master.__main__", "prefork.journal.scribe"])
def test_who_lives_as_long_as_a_pool_keeps_nothing_that_judges_a_config(module: str) -> None:
    unwanted = {"pydantic", "pydantic_core", "tomllib", "cyclopts", "ssl", "asyncio", "email", "importlib.metadata"}
    code = f"import sys, {module}; print(sorted({unwanted!r} & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
