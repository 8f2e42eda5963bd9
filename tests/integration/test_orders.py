"""The operator's commands as typed, against a real pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig
from prefork.policy.model import Owner, Phase
from tests.apps.lines import Echo
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]

RELOADED = (
    "reload: generation {} has imported the app; workers of older ones go as its own are ready: see `prefork status`"
)


def typed(pool: LivePool, *argv: str) -> tuple[int, str]:
    """Exit code, and what was said on either stream."""
    command = [sys.executable, "-m", "prefork", *argv, "--control", pool.control]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def static(workers: int, **more: object) -> PoolConfig:
    sizing = {"kind": "static", "workers": workers}
    return PoolConfig.model_validate({"min_workers": 1, "max_workers": 8, "sizing": sizing, **more})


def test_pause_and_resume_reach_the_whole_pool(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    assert typed(pool, "pause") == (0, "")
    assert all(worker.paused_by == {Owner.OPERATOR} for worker in pool.view().workers)
    assert typed(pool, "resume") == (0, "")
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


def test_pause_and_resume_reach_one_worker(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    assert typed(pool, "pause", "2") == (0, "")
    assert [worker.paused_by for worker in pool.view().workers] == [set(), {Owner.OPERATOR}]
    assert typed(pool, "resume", "2") == (0, "")
    assert not any(worker.paused_by for worker in pool.view().workers)


def test_pause_returns_when_the_workers_have_obeyed_and_names_the_one_that_cannot(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    os.kill(pool.worker_pids()[2], signal.SIGSTOP)
    assert typed(pool, "pause", "1") == (0, "")
    assert [row["gate"] for row in pool.status()["workers"]] == [["paused"], []]
    said = "prefork: pause: worker 2 has not obeyed in 2 s, and will when its loop turns"
    assert typed(pool, "pause") == (1, said)
    os.kill(pool.worker_pids()[2], signal.SIGCONT)
    assert typed(pool, "pause") == (0, "")


def test_scale_is_a_number_bounds_or_auto(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    assert typed(pool, "scale", "5") == (0, "")
    pool.wait_for(lambda view: sum(worker.phase is Phase.SERVING for worker in view.workers) == 5)
    assert typed(pool, "scale", "auto") == (0, "")
    pool.wait_for(lambda view: len(view.workers) == 2)
    assert typed(pool, "scale", "3..6") == (0, "")
    assert pool.status()["master"]["max_workers"] == 6


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("scale", "9"), "prefork: scale 9: over max_workers (8): raise that in the config, reload"),
        (("scale", "0"), "prefork: scale 0: under min_workers (1): lower that in the config, reload"),
        (("scale", "6..3"), "prefork: scale 6..3: the first bound is over the second: say 3..6"),
        (("scale", "many"), "prefork: scale 'many': say a number of workers (8), bounds (4..12), or auto"),
        (("drain", "77"), "prefork: drain 77: no such worker; there are 1, 2"),
        (("drain", "x"), "prefork: 'x' is no worker's number: see the first column of prefork status"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_an_order_that_cannot_be_obeyed_is_one_line_and_exit_code_2(
    prefork_pool: Start, argv: tuple[str, ...], said: str
) -> None:
    assert typed(prefork_pool(Echo, pool=static(2)), *argv) == (2, said)


def test_drain_ends_one_worker_after_its_sessions_and_another_takes_its_place(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    assert typed(pool, "drain", "1") == (0, "")
    pool.wait_for(lambda view: {worker.id for worker in view.workers} == {2, 3})


def test_reload_tells_when_the_new_generation_is_ready(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    code, said = typed(pool, "reload")
    assert (code, said) == (0, RELOADED.format(2))


def test_a_reload_during_an_import_waits_for_a_generation_of_its_own(prefork_pool: Start, tmp_path: Path) -> None:
    app = tmp_path / "slow.py"
    app.write_text("from tests.apps.lines import Echo\n")
    pool = prefork_pool(f"{app}:Echo", pool=static(2))
    app.write_text("import time\ntime.sleep(1)\nfrom tests.apps.lines import Echo\n")
    pool.ask("reload")
    pool.wait_for(lambda view: any(mold.generation == 2 for mold in view.molds))
    code, said = typed(pool, "reload")
    assert (code, said) == (0, RELOADED.format(3))


def test_the_operators_scale_survives_a_reload(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    typed(pool, "scale", "4")
    typed(pool, "reload")
    pool.wait_for(lambda view: sum(worker.generation == 2 for worker in view.workers) == 4 == len(view.workers))
