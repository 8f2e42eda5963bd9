"""A pool that keeps a journal: incidents are explained to who didn't see them, replayed, and tried otherwise."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefork import ConfigError, PoolConfig, SpareSizing
from prefork.config import JournalConfig
from prefork.journal.entries import Key, Note
from prefork.journal.pieces import read
from prefork.journal.replaying import replay
from tests.apps.lines import Echo, Misbehaving, Second
from tests.client import Client
from tests.live import gone_after, serving, static, watch_ends

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "journal"


def prefork(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prefork", *argv], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def told(folder: Path, *argv: str) -> str:
    done = prefork(*argv, cwd=folder.parent)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def why(folder: Path, what: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(told(folder, "why", what, "--journal", str(folder), "--json"))
    return events


def scribe_of(pool: LivePool) -> int:
    """The pid of the process that writes."""
    children = Path(f"/proc/{pool.pid}/task/{pool.pid}/children").read_text().split()
    names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in map(int, children)}
    (found,) = [pid for pid, name in names.items() if b"prefork.journal.scribe" in name]
    return found


def test_a_hung_worker_is_explained_with_its_stack(prefork_pool: Start, folder: Path) -> None:
    pool_config = static(2, heartbeat_interval=0.1, heartbeat_timeout=0.5)
    pool = prefork_pool(Misbehaving, pool=pool_config, journal=JournalConfig(path=folder))
    with Client(pool) as client:
        client.say("block")
        view = pool.wait_for(
            lambda view: len(view.workers) == serving(view) == 2 and {worker.id for worker in view.workers} != {1, 2}
        )
    (hung,) = {1, 2} - {worker.id for worker in view.workers}
    assert pool.stop() == 0
    events = why(folder, str(hung))
    assert [event["what"] for event in events][:4] == ["born", "ready", "killed (dump)", "killed (abort)"]
    assert "its loop had not turned for" in events[2]["text"]
    assert events[2]["settings"] == [{"name": "pool.heartbeat_timeout", "value": "500ms", "origin": "default"}]
    assert events[-1]["text"] == "SIGABRT, with 1 session"
    assert "in received" in events[-1]["detail"]
    text = told(folder, "why", str(hung), "--journal", str(folder))
    assert f"worker {hung} killed (dump): silent_blocked, rule silent: its loop had not turned for" in text
    assert replay(read(folder)).same_decisions()
    last = why(folder, "last")
    assert {event["reason"] for event in last} >= {"stopping", ""}
    assert [event["what"] for event in last].count("ended") >= 2
    steps = ["killed (dump)", "killed (abort)", "ended"]
    second = [event["what"] for event in why(folder, events[2]["at"][:19] + "Z") if event["worker"] == hung]
    assert second[-3:] == steps


def test_a_crash_loop_is_explained_and_replayed(prefork_pool: Start, folder: Path) -> None:
    crash = {"burst": 3, "refill": 600}
    pool = prefork_pool(Misbehaving, pool=static(2, crash=crash), journal=JournalConfig(path=folder))
    for _ in range(5):
        with Client(pool) as client:
            client.say("exit")
            assert client.hear() is None
        pool.wait_for(lambda view: serving(view) >= 1)
    pool.wait_for(lambda _: any(row["reason"] == "crash_tokens" for row in pool.status()["withheld"]))
    assert pool.stop() == 0
    events = why(folder, "last") + why(folder, "1") + why(folder, "2")
    assert "exit code 3, with 1 session; nobody had ordered it" in {event["text"] for event in events}
    text = told(folder, "replay", str(folder))
    assert "decided as recorded: the same at every look" in text


def test_a_flash_crowd_is_replayed_exported_and_tried_with_another_config(prefork_pool: Start, folder: Path) -> None:
    pool = prefork_pool(
        Second,
        pool=PoolConfig(min_workers=2, max_workers=6, max_sessions=1, sizing=SpareSizing(hold=1)),
        journal=JournalConfig(path=folder),
    )
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(pool)) for _ in range(18)]
        assert [client.hear() for client in clients] == ["done"] * 18
    assert pool.stop() == 0
    events = why(folder, "last")
    assert {event["reason"] for event in events} >= {"stopping", ""}
    (folder.parent / "wide.toml").write_text("[pool]\nmin_workers = 20\nmax_workers = 40\nmax_sessions = 1\n")
    text = told(folder, "replay", str(folder), "--against", "wide.toml")
    (births,) = re.findall(r"spawn time (.*)ms, seed 1", text)
    assert 0 < float(births) < 200  # as recorded, not as it is guessed where nothing is known
    assert "decided by wide.toml: otherwise at" in text
    assert "the load that was recorded: 18 sessions" in text
    waits = next(line.split() for line in text.splitlines() if line.startswith("p99_wait"))
    assert float(waits[1].removesuffix("s")) > 0.9  # three rounds of a second for six workers
    assert waits[2].endswith("ms")
    exported = prefork("journal", "export", str(folder), "--as-traffic", cwd=folder.parent)
    assert re.fullmatch(r"its workers were born in (.*): prefork simulate --spawn-time \1\n", exported.stderr)
    csv = exported.stdout.splitlines()
    assert csv[0] == "time,duration_s"
    assert len(csv) == 19
    (folder.parent / "day.csv").write_text("\n".join(csv))
    done = prefork("simulate", "-c", "wide.toml", "--traffic", "day.csv", "--expect", "refused == 0", cwd=folder.parent)
    assert done.returncode == 0, done.stderr


def test_why_tells_of_the_pool_that_runs_at_once_and_of_its_last_one_when_it_has_ended(
    prefork_pool: Start, tmp_path: Path, folder: Path
) -> None:
    control = tmp_path / "ctl"
    (tmp_path / "prefork.toml").write_text('app = "x:y"\ncontrol = "ctl"\n[journal]\npath = "journal"\n')

    def pool(workers: int) -> LivePool:
        return prefork_pool(Echo, pool=static(workers), journal=JournalConfig(path=folder), control=str(control))

    assert pool(2).stop() == 0
    second = pool(1)
    assert "worker 1 born: static_size" in told(folder, "why", "last")
    assert prefork("why", "2", cwd=tmp_path).returncode == 2  # the one before had a worker 2
    assert second.stop() == 0
    done = prefork("why", "1", cwd=tmp_path)
    assert f"no instance of prefork listens there: this is its journal, {folder}" in done.stderr
    assert done.stdout.count("worker 1 born") == 1
    both = told(folder, "why", "1", "--journal", str(folder))
    assert both.count("the pool of ") == both.count("worker 1 born") == 2


def test_why_needs_no_journal_for_what_the_pool_remembers(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    done = prefork("why", "1", "--control", pool.control, cwd=Path.cwd())
    assert done.stderr == ""
    assert "worker 1 born: static_size, rule size: there were 0 workers; 2 are wanted" in done.stdout
    assert prefork("why", "9", "--control", pool.control, cwd=Path.cwd()).returncode == 2


def test_why_without_a_journal_tells_ends_and_their_frames_and_what_is_withheld(prefork_pool: Start) -> None:
    pool = prefork_pool(Misbehaving, pool=static(1, crash={"burst": 1, "refill": 600}))
    for _ in range(2):
        with Client(pool) as client:
            client.say("exit")
            assert client.hear() is None
    pool.wait_for(lambda _: bool(pool.status()["withheld"]))
    done = prefork("why", "last", "--control", pool.control, cwd=Path.cwd())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"worker \d ended: exit code 3, with 1 session; nobody had ordered it", done.stdout)
    crashed = "workers crashed so often that no crash token was left"
    assert (
        f"rule crash: 1 more birth was wanted: {crashed}" in done.stdout
        or f"probe, rule crash: {crashed}" in done.stdout
    )


def test_a_scribe_that_stands_still_holds_up_nobody_and_what_is_missing_is_counted(
    prefork_pool: Start, folder: Path
) -> None:
    pool = prefork_pool(Echo, pool=static(1), journal=JournalConfig(path=folder))
    scribe = scribe_of(pool)
    os.kill(scribe, signal.SIGSTOP)
    try:
        with Client(pool) as client:
            assert client.ask("still") == "still"
        assert pool.status()["master"]["journal"]["writing"]
    finally:
        os.kill(scribe, signal.SIGCONT)
    ends = watch_ends([scribe])
    assert pool.stop() == 0
    gone_after(ends, 5)
    again = replay(read(folder))
    assert again.same_decisions()
    assert again.dropped == 0  # it was late, not lost


def test_a_scribe_that_was_killed_ends_the_journal_and_nothing_else(prefork_pool: Start, folder: Path) -> None:
    pool = prefork_pool(Echo, pool=static(1), journal=JournalConfig(path=folder))
    os.kill(scribe_of(pool), signal.SIGKILL)
    with Client(pool) as client:
        assert client.ask("still") == "still"
    pool.wait_for(lambda _: not pool.status()["master"]["journal"]["writing"])
    assert "who writes it has ended" in pool.log
    assert pool.stop() == 0


def test_a_folder_that_was_removed_is_told_and_what_comes_back_is_written_again(
    prefork_pool: Start, folder: Path
) -> None:
    pool = prefork_pool(
        Echo, pool=static(1, heartbeat_interval=0.1, heartbeat_timeout=0.5), journal=JournalConfig(path=folder)
    )

    def lost() -> int:
        found: int = pool.status()["master"]["journal"]["dropped"]
        return found

    shutil.rmtree(folder)
    pool.wait_for(lambda _: lost() > 0)
    done = prefork("why", "last", "--control", pool.control, cwd=folder.parent)
    assert "worker 1 born" in done.stdout
    assert f"{folder} lacks what was decided last" in done.stderr
    folder.mkdir()
    pool.wait_for(lambda _: any(folder.iterdir()))
    assert pool.stop() == 0
    assert "it can't be written: is the disk full, or the folder gone?" in pool.log
    again = replay(read(folder))
    assert again.same_decisions()


def test_one_folder_is_one_instances(prefork_pool: Start, folder: Path) -> None:
    prefork_pool(Echo, pool=static(1), journal=JournalConfig(path=folder))
    with pytest.raises(ConfigError, match="another instance writes there: name another folder"):
        prefork_pool(Echo, pool=static(1), journal=JournalConfig(path=folder))


def test_a_folder_that_cannot_be_made_is_told_in_one_line(prefork_pool: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"journal.path .*: Not a directory: name a folder that can be written"):
        prefork_pool(Echo, journal=JournalConfig(path=tmp_path / "file" / "journal"))


def test_a_key_says_where_settings_come_from_and_a_shadow_is_noted(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "app.py").write_text("from tests.apps.lines import Echo\n")
    (tmp_path / "candidate.toml").write_text("[pool]\nmin_workers = 5\n")
    (tmp_path / "prefork.toml").write_text(
        'app = "app.py:Echo"\nlisten = "tcp://127.0.0.1:0"\ncontrol = "ctl"\nshadow = "candidate.toml"\n'
        '[journal]\npath = "journal"\n[pool]\nmin_workers = 3\n'
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-m", "prefork", "serve"], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
    ) as master:
        assert master.stderr is not None
        seen = ""
        while "worker 3: start" not in seen:
            seen = master.stderr.readline()
            assert seen
        shadow = json.loads(told(folder, "status", "--json"))["shadow"]
        assert shadow["otherwise"] >= 1
        assert "shadow" in told(folder, "status")
        (tmp_path / "candidate.toml").write_text("[pool]\nmin_workers = 6\n")
        told(folder, "reload")
        while "candidate.toml: it has changed, and is tried from now on" not in seen:
            seen = master.stderr.readline()
            assert seen
        told(folder, "stop")
        master.stderr.read()
    entries = [*read(folder)]
    key = next(entry for entry in entries if isinstance(entry, Key))
    assert key.origins["pool.min_workers"] == "prefork.toml"
    texts = [entry.text for entry in entries if isinstance(entry, Note) and entry.what == "shadow"]
    assert any(
        re.fullmatch(r"would spawn 5 \(start: .*\); the pool does spawn 3 \(start: .*\)", text) for text in texts
    )
    assert "shadow: would spawn 5 (start: " in told(folder, "why", "shadow", "--journal", str(folder))
    assert "pool.start_workers = 3 (from min_workers)" in told(folder, "why", "1", "--journal", str(folder))


def test_a_shadow_that_cannot_be_read_is_told_before_anything_is_bound(prefork_pool: Start, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shadow .*nowhere\.toml: there is no such file"):
        prefork_pool(Echo, shadow=str(tmp_path / "nowhere.toml"))
