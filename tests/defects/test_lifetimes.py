"""The seed's defects of time: who is ended when. Numbered as in the seed's list."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

import pytest

from prefork import RecycleConfig
from prefork.policy.model import Kill, KillStep, Owner, Phase, Spawn
from prefork.policy.units import NS
from tests.apps.lines import Echo, Misbehaving
from tests.apps.lingers import Lingers
from tests.apps.seed import Nagging
from tests.client import Client
from tests.live import gone_after, looks, static, watch_ends
from tests.property import invariants
from tests.property.world import World

if TYPE_CHECKING:
    from prefork.policy.model import Decision
    from tests.live import Start


def test_05_a_worker_that_has_not_yet_beaten_is_left_to_boot(prefork_pool: Start) -> None:
    """The seed: a worker that has not yet sent a heartbeat looks expired, and is ended at the first tick."""
    from tests.apps import slow_boot  # noqa: PLC0415 - it looks at the process that imports it

    live = prefork_pool(slow_boot.Slow, pool=static(3, heartbeat_interval="50ms", heartbeat_timeout="200ms"))
    assert {worker.id for worker in live.view().workers} == {1, 2, 3}
    assert all((worker.ready_at or 0) - worker.forked_at > 0.4 * NS for worker in live.view().workers)
    assert not [row for row in live.status()["decisions"] if row["kind"] == "kill"]


def test_05_a_worker_that_has_not_yet_beaten_is_not_silent() -> None:
    """The seed: with no heartbeat to look at, the time since the last one was the time since 1970."""
    world = World(static(1, heartbeat_interval=1, heartbeat_timeout=2, boot_timeout=30))
    world.look()
    world.mold_ready()
    world.look()
    world.wait(29 * NS)
    assert world.look().decisions == ()
    world.ready(world.view.workers[0].id, heard=False)
    world.wait(2 * NS - 1)
    assert world.look().decisions == ()


def test_06_a_drains_deadline_is_not_moved_by_the_worker(prefork_pool: Start) -> None:
    """The seed: the kill deadline is re-armed by the worker's own answer: with a 3 s grace, alive at 25 s."""
    live = prefork_pool(Nagging, pool=static(1, drain_timeout="1s"))
    ends = watch_ends(live.worker_pids().values())
    with Client(live) as client:
        began = time.monotonic()
        assert client.hear() == "begin"
        view = live.wait_for(lambda view: view.workers[0].phase is Phase.DRAINING)
        by = view.workers[0].drain_by
        for view in looks(live, lambda view: view.workers[0].id == 2):
            assert [worker.drain_by for worker in view.workers if worker.id == 1] in ([by], [])
        gone_after(ends, 2)
        assert 1 <= time.monotonic() - began < 3
        with pytest.raises(ConnectionResetError):
            client.hear()
    assert live.log.count("asks to drain") > 1


def test_06_a_worker_that_says_it_goes_and_does_not_is_killed(prefork_pool: Start) -> None:
    """The seed: with a 3 s grace, alive at 25 s."""
    live = prefork_pool(Lingers, pool=static(1, drain_timeout="500ms"))
    with Client(live) as client:
        assert client.hear() == "begin"
        ends = watch_ends(live.worker_pids().values())
        os.kill(live.worker_pids()[1], signal.SIGTERM)
        assert gone_after(ends, 3) > 0.4
    assert "kill worker 1 (dump): overstayed_drain" in live.log


def test_06_a_drains_deadline_stands_whatever_the_worker_says() -> None:
    """The seed: alive at 25 s with a 3 s grace."""
    world = World(static(1, drain_timeout=3, heartbeat_interval=1))
    world.settle()
    world.sessions(1, 1)  # type: ignore[arg-type]
    world.set(1, drain_wanted=Owner.OPERATOR)  # type: ignore[arg-type]
    world.look()
    killed = []
    for tenth in range(1, 251):
        world.wait(NS // 10)
        world.beat()
        for name in world.ids(Phase.DRAINING):
            world.set(name, drain_wanted=Owner.APP)
        killed += [(tenth, each.worker, each.step) for each in world.look().decisions if isinstance(each, Kill)]
        world.all_ready()
    assert killed == [(30, 1, KillStep.DUMP), (33, 1, KillStep.ABORT), (36, 1, KillStep.KILL)]


def test_08_a_hung_worker_is_killed_within_a_second_of_its_timeout(prefork_pool: Start) -> None:
    """The seed: a hung worker is killed after 11.6 s with a 1 s beat, about 110 s with defaults."""
    config = static(3, max_sessions=1, heartbeat_interval="1s", heartbeat_timeout="1500ms")
    live = prefork_pool(Misbehaving, pool=config)
    with Client(live) as spins:
        assert spins.ask("hello") == "hello"
        view = live.view()
        spinning = next(worker.id for worker in view.workers if worker.sessions)
        stopped = next(worker.id for worker in view.workers if not worker.sessions)
        pids = live.worker_pids()
        ends = watch_ends([pids[spinning], pids[stopped]])
        spins.say("spin")
        os.kill(pids[stopped], signal.SIGSTOP)
        with Client(live) as other:
            assert other.ask("hello") == "hello"
            assert gone_after(ends, 4) > 0.4
            assert other.ask("hello") == "hello"
        assert spins.hear() is None


def test_08_a_hung_worker_goes_down_the_ladder_from_the_instant_of_its_timeout() -> None:
    """The seed: killed after 11.6 s with a 1 s beat."""
    world = World(static(1, heartbeat_interval=1, heartbeat_timeout=2))
    world.settle()
    steps = []
    for tenth in range(1, 30):
        world.wait(NS // 10)
        steps += [(tenth, each.step) for each in world.look().decisions if isinstance(each, Kill)]
    assert steps == [(20, KillStep.DUMP), (23, KillStep.ABORT), (26, KillStep.KILL)]


def test_14_workers_born_together_do_not_go_together(prefork_pool: Start) -> None:
    """The seed: lifetimes have no jitter: workers born together go together."""
    recycle = {"max_age": 1.5, "jitter": 0.5, "max_unavailable": 1, "max_surge": 8}  # nothing else keeps them apart
    live = prefork_pool(Echo, pool=static(8, recycle=recycle))
    pids = live.worker_pids()
    ends = watch_ends(pids.values())
    at = []
    for _ in range(8):
        ready, _, _ = select.select([*ends.values()], [], [], 5)
        ends = {pid: fd for pid, fd in ends.items() if fd not in ready}
        at += [time.monotonic()] * len(ready)
        for fd in ready:
            os.close(fd)
    assert ends == {}
    assert max(at) - min(at) > 0.1
    rows = [row for row in live.status()["decisions"] if row["reason"] == "max_age" and row["kind"] == "drain"]
    limits = {row["worker"]: row["figures"]["limit"] for row in rows if row["worker"] in pids}
    assert len(set(limits.values())) == 8
    assert all(0.75 * NS <= limit <= 1.5 * NS for limit in limits.values())


def test_14_lifetimes_of_workers_born_together_differ() -> None:
    """The seed: lifetimes have no jitter: workers born together go together."""
    recycle = RecycleConfig(max_age=100, jitter=0.1, max_unavailable=1, max_surge=8)
    world = World(static(8, recycle=recycle))
    world.settle()
    ages: list[int] = []
    while len(ages) < 8:
        assert world.plan.next_check_at is not None
        world.wait(world.plan.next_check_at - world.view.now)
        world.beat()
        ages += [world.view.now - 1000 * NS for each in world.look().decisions if replaces_one_of_8(each)]
        world.settle()
    assert len(set(ages)) == 8
    assert all(90 * NS <= age <= 100 * NS for age in ages)


def test_14_workers_born_together_are_replaced_one_at_a_time() -> None:
    """The seed: no budget either; without jitter all lifetimes of one birth are over at one instant."""
    world = World(
        static(8, recycle=RecycleConfig(max_age=100, jitter=0)),
        checks=[invariants.replacements_stay_within_their_budget],
    )
    world.settle()
    ages: list[int] = []
    for second in range(1, 120):
        world.wait(NS)
        world.beat()
        world.all_ready()
        ages += [second for each in world.look().decisions if replaces_one_of_8(each)]
        world.all_told_go()
    assert ages == [*range(100, 108)]


def replaces_one_of_8(decision: Decision) -> bool:
    """It orders a successor for one of the first eight workers."""
    return isinstance(decision, Spawn) and decision.replaces is not None and decision.replaces <= 8
