"""Signals to the pool and to one worker, and whom a pause belongs to."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig
from prefork.policy.model import Owner, Phase, PoolView
from tests.apps.lines import Echo
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]


def serving(view: PoolView) -> int:
    return sum(worker.phase is Phase.SERVING for worker in view.workers)


def static(workers: int) -> PoolConfig:
    return PoolConfig.model_validate({"sizing": {"kind": "static", "workers": workers}})


def test_a_paused_pool_stays_paused_through_a_reload(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    pool.signal(signal.SIGUSR1)
    pool.signal(signal.SIGHUP)
    pool.wait_for(lambda view: serving(view) == 2 and all(worker.generation == 2 for worker in view.workers))
    with Client(pool) as client:
        client.say("hello")
        view = pool.view()
        assert [worker.paused_by for worker in view.workers] == [{Owner.OPERATOR}] * 2
        assert (view.queue, sum(worker.accepted for worker in view.workers)) == (1, 0)
        pool.signal(signal.SIGUSR2)
        assert client.hear() == "hello"


def test_the_pause_of_one_worker_goes_to_its_successor(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    os.kill(pool.worker_pids()[1], signal.SIGUSR1)
    pool.wait_for(lambda view: view.workers[0].paused_by == {Owner.OPERATOR})
    pool.signal(signal.SIGHUP)
    view = pool.wait_for(lambda view: serving(view) == 2 and all(worker.generation == 2 for worker in view.workers))
    paused = {worker.replaces: worker.paused_by for worker in view.workers}
    assert paused == {1: {Owner.OPERATOR}, 2: set()}
    heir = next(worker.id for worker in view.workers if worker.replaces == 1)
    os.kill(pool.worker_pids()[heir], signal.SIGUSR2)
    pool.wait_for(lambda view: not any(worker.paused_by for worker in view.workers))


def test_the_pause_of_one_worker_ends_with_it_when_it_is_not_replaced_but_dies(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    pid = pool.worker_pids()[1]
    os.kill(pid, signal.SIGUSR1)
    pool.wait_for(lambda view: view.workers[0].paused_by == {Owner.OPERATOR})
    os.kill(pid, signal.SIGKILL)
    view = pool.wait_for(lambda view: serving(view) == 2 and view.workers[-1].id == 3)
    assert not any(worker.paused_by for worker in view.workers)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_on_a_worker_drain_it_and_its_place_is_taken(prefork_pool: Start, signum: int) -> None:
    pool = prefork_pool(Echo, pool=static(2))
    os.kill(pool.worker_pids()[1], signum)
    pool.wait_for(lambda view: serving(view) == 2 and {worker.id for worker in view.workers} == {2, 3})
    assert "drain worker 1: requested" in pool.log


def test_the_other_signals_mean_nothing_to_a_worker_nor_any_to_the_mold(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, pool=static(1))
    worker, mold = pool.worker_pids()[1], pool.status()["mold"][0]["pid"]
    with Client(pool) as client:
        for signum in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE):
            os.kill(worker, signum)
            os.kill(mold, signum)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(mold, signum)
        assert client.ask("hello") == "hello"
    os.kill(worker, signal.SIGKILL)
    pool.wait_for(lambda view: serving(view) == 1 and view.workers[0].id == 2)  # by the mold that was there
    assert pool.status()["mold"][0]["pid"] == mold
