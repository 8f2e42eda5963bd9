"""The seed's defects where something fails: master, workers, the port. Numbered as in the seed's list."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prefork import PoolConfig
from prefork.policy.model import Phase, Spawn
from tests.apps.lines import Echo, Misbehaving, Second
from tests.client import Client
from tests.live import gone_after, serving, sessions, static, watch_ends
from tests.property.world import World

if TYPE_CHECKING:
    from tests.live import Start

ROOT = Path(__file__).parents[2]


def test_09_no_worker_outlives_the_master(prefork_pool: Start) -> None:
    """The seed: the workers serve on until the next beat; one that holds a connection stays as an orphan."""
    config = static(3, max_sessions=1, heartbeat_interval="100ms", heartbeat_timeout="500ms", drain_timeout="500ms")
    live = prefork_pool(Misbehaving, pool=config)
    with Client(live) as idle, Client(live) as stuck:
        assert [idle.ask("hello"), stuck.ask("hello")] == ["hello"] * 2
        stuck.say("block")
        ends = watch_ends([*live.worker_pids().values(), live.status()["mold"][0]["pid"]])
        live.signal(signal.SIGKILL)
        live.wait()
        assert idle.hear() is None
        gone_after(ends, 3)
        assert stuck.hear() is None
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the ends of the sessions above still linger
        again.bind(live.address)


def test_09_without_a_master_a_session_is_finished_and_no_other_begun(prefork_pool: Start) -> None:
    """The seed: a worker that holds a connection stays as an orphan, and serves whoever comes."""
    live = prefork_pool(Second, pool=static(2, max_sessions=1))
    with Client(live) as client:
        live.wait_for(lambda view: sessions(view) == 1)
        ends = watch_ends(live.worker_pids().values())
        live.signal(signal.SIGKILL)
        live.wait()
        assert client.hear() == "done"
        gone_after(ends, 2)
    with socket.socket() as late:
        assert late.connect_ex(live.address) != 0


def test_10_when_all_workers_are_killed_service_is_back_at_once(prefork_pool: Start) -> None:
    """The seed: service returns after 4.6 s with a 5 s beat; there is no immediate respawn."""
    live = prefork_pool(Echo, pool=PoolConfig(min_workers=4, heartbeat_interval=5))
    before = live.worker_pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()  # nobody asks the master for a view: that would wake it
    with Client(live) as client:
        assert client.ask("hello") == "hello"
        assert int(client.ask("pid") or 0) not in before.values()
    assert time.monotonic() - began < 3
    live.wait_for(lambda view: serving(view) >= 4)


def test_10_killed_workers_are_replaced_in_the_same_look() -> None:
    """The seed: no immediate respawn; births came with the next tick."""
    world = World(PoolConfig(min_workers=4))
    world.settle()
    for name in world.ids(Phase.SERVING):
        world.end(name, None, signal.SIGKILL)
    assert sum(isinstance(each, Spawn) for each in world.look().decisions) == 4


def test_11_a_port_in_use_is_told_and_ends_the_master(prefork_pool: Start) -> None:
    """The seed: the master stays up, silent, with 5 workers and no listener."""
    url = prefork_pool(Echo).urls[0]
    command = [sys.executable, "-m", "prefork", "serve", "examples/echo.py:Echo", "--listen", url, "--workers", "5"]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "")  # and nobody is left who could hold the streams open
    *told, last = done.stderr.splitlines()
    assert f"{url}: the address is in use" in last
    assert [
        line for line in told if "mold" not in line and not line.endswith("stopped")
    ] == []  # the app was there; nobody was spawned
    assert time.monotonic() - began < 10
