"""The seed's defects towards its operator. Numbered as in the seed's list."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork import CrashConfig, PoolConfig, RecycleConfig
from tests.apps.lines import Echo
from tests.client import Client
from tests.live import serving, static

if TYPE_CHECKING:
    from tests.live import Start

ROOT = Path(__file__).parents[2]


def typed(*argv: str) -> subprocess.CompletedProcess[str]:
    """`prefork`, as an operator types it."""
    command = [sys.executable, "-m", "prefork", *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        pytest.param(
            ("--start-workers", "9", "--max-workers", "4"),
            "start_workers (9) is over max_workers (4): lower one or raise the other",
            id="Start > Max",
        ),
        pytest.param(
            ("--min-workers", "9", "--max-workers", "4"),
            "min_workers (9) is over max_workers (4): lower one or raise the other",
            id="Min > Max",
        ),
        pytest.param(("--min-workers=-1",), "'-1' is under the least, 0", id="a negative number"),
        pytest.param(("--heartbeat-timeout=-3s",), "'-3s' is no duration", id="a negative time"),
        pytest.param(("--heartbeat-timeout", "0"), "'0' is under the least, 0.001", id="no time at all"),
    ],
)
def test_16_settings_are_checked(flags: tuple[str, ...], said: str) -> None:
    """The seed: nothing is validated; Start > Max, Min > Max and negatives pass."""
    done = typed("serve", "examples/echo.py:Echo", "--listen", "tcp://127.0.0.1:0", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_16_a_setting_of_0_is_possible(prefork_pool: Start) -> None:
    """The seed: a setting of 0 is impossible: it was taken for one that was left out."""
    recycle = RecycleConfig(max_age=0, max_served=0, max_idle=0, max_rss=0, hard_rss=0, jitter=0, max_unavailable=0)
    crash = CrashConfig(burst=0, healthy_after=0)
    config = PoolConfig(min_workers=0, start_workers=0, max_sessions=0, stop_delay=0, recycle=recycle, crash=crash)
    live = prefork_pool(Echo, pool=config, wait=False)
    assert live.wait_for(lambda view: view.generation == 1).workers == ()
    with Client(live) as client:
        assert client.ask("hello") == "hello"
        assert len(live.view().workers) == 1


def test_19_there_is_a_status(prefork_pool: Start) -> None:
    """The seed: there is no status."""
    live = prefork_pool(Echo, pool=static(2))
    done = typed("status", "--json", "--control", live.control)
    status = json.loads(done.stdout)
    assert (status["master"]["pid"], len(status["workers"])) == (live.pid, 2)


def test_19_there_is_a_reload(prefork_pool: Start) -> None:
    """The seed: there is no reload."""
    live = prefork_pool(Echo, pool=static(2))
    assert typed("reload", "--control", live.control).returncode == 0
    view = live.wait_for(lambda view: serving(view) == 2 == len(view.workers) and view.workers[0].generation == 2)
    assert [worker.generation for worker in view.workers] == [2, 2]


def test_19_there_is_a_shutdown_of_the_whole_pool(prefork_pool: Start) -> None:
    """The seed: there is no whole-pool shutdown: each worker had to be told, and was born again."""
    live = prefork_pool(Echo, pool=static(2))
    assert typed("stop", "--control", live.control).returncode == 0
    assert live.wait(5) == 0
