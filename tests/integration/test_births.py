"""Births that don't happen as they should: forks that hang, a mold that hangs, more births than a channel takes."""

from __future__ import annotations

import errno
import os
import random
import resource
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork import Lines, PoolConfig, Session
from prefork.master import linux_kernel
from prefork.master.facts import MoldExited, WorkerUnborn
from prefork.master.processes import start_mold
from prefork.policy.model import MoldPhase, Phase, PoolView, WorkerId
from tests.apps.hangs_at_fork import Hangs
from tests.apps.lines import Echo
from tests.client import Client
from tests.contract.test_kernel import real_world, until, with_mold

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]

WHERE = ("mold", "intermediate", "worker")


def static(workers: int, **more: object) -> PoolConfig:
    return PoolConfig.model_validate({"sizing": {"kind": "static", "workers": workers}, "boot_timeout": "1s", **more})


class Draws(Session[str]):
    framer = Lines

    def opened(self) -> None:
        """Tell what chance gives this worker."""
        self.send(f"{os.getpid()} {random.random()}")


def serving(view: PoolView) -> int:
    return sum(worker.phase is Phase.SERVING for worker in view.workers)


def processes_of(session: int) -> set[int]:
    """Whoever runs in the session of a mold."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                state, _, _, sid = Path(f"/proc/{name}/stat").read_text().rpartition(") ")[2].split()[:4]
            except OSError:
                continue
            if int(sid) == session and state not in "ZX":
                found.add(int(name))
    return found


def mold_of(pool: LivePool) -> int:
    pid = pool.status()["mold"][0]["pid"]
    assert isinstance(pid, int)
    return pid


def wait_until_gone(session: int) -> None:
    until = time.monotonic() + 5
    while left := processes_of(session):
        assert time.monotonic() < until, f"still there: {left}"
        select.select([], [], [], 0.01)


def hang(pool: LivePool, switch: Path) -> None:
    """A worker is gone, and the birth of another one hangs."""
    switch.touch()
    os.kill(pool.worker_pids()[1], signal.SIGKILL)
    wait_until_it_hangs(switch)


def wait_until_it_hangs(switch: Path) -> None:
    until = time.monotonic() + 5
    while not switch.with_suffix(".hangs").exists():
        assert time.monotonic() < until
        select.select([], [], [], 0.005)


@pytest.fixture
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While it exists births hang."""
    monkeypatch.setenv("HANG_IF", str(tmp_path / "switch"))
    return tmp_path / "switch"


def test_a_stopped_mold_is_replaced_when_a_birth_has_waited_for_boot_timeout(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    mold = mold_of(pool)
    os.kill(mold, signal.SIGSTOP)
    os.kill(pool.worker_pids()[1], signal.SIGKILL)
    pool.wait_for(lambda view: serving(view) == 2 and view.workers[-1].id > 2)
    assert [each.phase for each in pool.view().molds] == [MoldPhase.READY]
    assert mold_of(pool) != mold
    assert pool.view().generation == 1
    assert "end_mold of generation 1: boot_timeout" in pool.log
    with Client(pool) as client:
        assert client.ask("hello") == "hello"


@pytest.mark.parametrize("where", WHERE)
def test_a_birth_that_hangs_is_over_at_boot_timeout_and_the_next_one_works(
    prefork_pool: Start, switch: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("HANG_IN", where)
    pool = prefork_pool(Hangs, pool=static(2))
    mold = mold_of(pool)
    hang(pool, switch)
    switch.unlink()
    pool.wait_for(lambda view: serving(view) == 2)
    survivors = set(pool.worker_pids().values())
    until = time.monotonic() + 2
    while not processes_of(mold) <= survivors:  # what hung is gone
        assert time.monotonic() < until, processes_of(mold)
        select.select([], [], [], 0.01)


def test_births_that_wait_their_turn_are_not_taken_for_hung(prefork_pool: Start) -> None:
    """Each takes 0.3 s, one after the other, and boot_timeout is one second."""
    pool = prefork_pool("tests.apps.slow_at_fork:Echo", pool=static(6))
    view = pool.view()
    assert serving(view) == 6
    assert max((worker.ready_at or 0) - worker.forked_at for worker in view.workers) > 1_000_000_000
    assert "boot_timeout" not in pool.log


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_ends_a_birth_that_hangs(
    prefork_pool: Start, switch: Path, monkeypatch: pytest.MonkeyPatch, where: str, signum: signal.Signals
) -> None:
    monkeypatch.setenv("HANG_IN", where)
    pool = prefork_pool(Hangs, pool=static(2, boot_timeout="60s", drain_timeout="500ms"))
    mold = mold_of(pool)
    hang(pool, switch)
    pool.signal(signum)
    assert pool.wait(4) == 0
    wait_until_gone(mold)


def test_a_stop_ends_a_mold_that_is_stopped(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2, boot_timeout="60s"))
    mold = mold_of(pool)
    os.kill(mold, signal.SIGSTOP)
    os.kill(pool.worker_pids()[1], signal.SIGKILL)
    pool.wait_for(lambda view: not all(worker.born for worker in view.workers))
    pool.signal(signal.SIGTERM)
    assert pool.wait(4) == 0
    wait_until_gone(mold)


@pytest.mark.parametrize("where", WHERE)
def test_a_birth_that_hangs_ends_by_itself_when_the_master_is_gone(
    prefork_pool: Start, switch: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("HANG_IN", where)
    pool = prefork_pool(Hangs, pool=static(2, drain_timeout="500ms"))
    mold = mold_of(pool)
    hang(pool, switch)
    pool.signal(signal.SIGKILL)
    pool.wait()
    wait_until_gone(mold)


def test_the_master_has_room_for_more_workers_than_a_common_limit_of_files_and_they_keep_that_limit(
    prefork_pool: Start,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
    try:
        pool = prefork_pool(Echo, pool=static(60), wait=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    pool.wait_for(lambda view: serving(view) == 60, timeout=20)
    assert "not born" not in pool.log
    limits = {resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] for pid in pool.worker_pids().values()}
    assert limits == {100}


@pytest.mark.parametrize("where", WHERE)
def test_after_a_bug_nothing_is_left_running_not_even_a_birth_that_hangs(
    switch: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("HANG_IN", where)
    with real_world() as world:
        kernel = with_mold(world, app="tests.apps.hangs_at_fork:Hangs")
        mold = kernel.mold_pid(1)
        assert mold is not None
        switch.touch()
        kernel.fork(WorkerId(1), 1, {})
        wait_until_it_hangs(switch)
        kernel.fork(WorkerId(2), 1, {})
    wait_until_gone(mold)


def test_a_mold_that_dies_before_it_is_told_anything_is_one_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def stillborn(channel: socket.socket) -> int:
        pid = start_mold(channel)
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

    monkeypatch.setattr(linux_kernel, "start_mold", stillborn)
    with real_world() as world:
        world.kernel.start_mold(1, {})
        assert until(world.kernel, MoldExited) == MoldExited(1, "SIGKILL")
        world.kernel.fork(WorkerId(1), 1, {})
        assert until(world.kernel, WorkerUnborn) == WorkerUnborn(WorkerId(1), errno.ESRCH)


def test_each_worker_draws_numbers_of_its_own(prefork_pool: Start) -> None:
    pool = prefork_pool(Draws, pool=static(2))
    told: dict[str, str] = {}
    while len(told) < 2:
        with Client(pool) as client:
            pid, number = (client.hear() or "").split()
            told.setdefault(pid, number)
    assert len(set(told.values())) == 2
