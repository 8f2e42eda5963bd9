"""The clauses about a worker's beat: what it tells of the loop, and what it costs."""

from __future__ import annotations

import signal
import time
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from prefork import wire
from prefork.app.app import App
from prefork.testing.contract.client import listen
from prefork.testing.contract.harness import MS, Worker, Workers
from prefork.testing.contract.scripted import Scripted, block
from prefork.testing.contract.waiting import elapse, until

if TYPE_CHECKING:
    from prefork.app.session import Address


class BeatClauses:
    """09."""

    threaded: ClassVar[bool]

    def test_09_the_heartbeat_stands_still_while_the_serving_loop_is_blocked(self, start: Workers) -> None:
        worker = _one_that_blocks(start, heartbeat_interval_ns=10 * MS)
        worker.noted("blocked")
        _stands_still(worker)

    def test_09_a_callback_that_blocks_is_the_loops_affair_unless_each_session_has_a_thread(
        self, start: Workers
    ) -> None:
        worker = start(heartbeat_interval_ns=10 * MS)
        client = worker.connect()
        client.say("block")
        worker.noted("blocked")
        if not self.threaded:
            _stands_still(worker, in_a_turn=False)
            return
        beat = worker.slot[wire.HEARTBEAT]
        worker.connect().echoes()
        until(lambda: worker.slot[wire.HEARTBEAT] > beat + 20 * MS, "beats")
        worker.unlatch()
        client.echoes()

    def test_09_no_loop_has_been_busy_for_longer_than_it_runs(self, start: Workers) -> None:
        began = time.monotonic_ns()
        worker = start()
        worker.connect().echoes()
        worker.rests()
        assert worker.slot[wire.BUSY] < time.monotonic_ns() - began

    def test_09_an_idle_worker_wakes_once_a_heartbeat_interval_and_for_nothing_else(self, start: Workers) -> None:
        interval = 40 * MS
        worker = start(heartbeat_interval_ns=interval)
        worker.connect().echoes()
        worker.rests()
        cpu, sleeps, beats = worker.cpu_ns, worker.sleeps, [worker.slot[wire.HEARTBEAT]]
        while len(beats) < 7:
            until(lambda: worker.slot[wire.HEARTBEAT] != beats[-1], "a beat")
            beats.append(worker.slot[wire.HEARTBEAT])
        assert all(b - a >= interval for a, b in pairwise(beats[1:]))
        assert worker.cpu_ns - cpu < (beats[-1] - beats[0]) // 4, "it is busy while it waits"
        assert worker.sleeps - sleeps <= 3 * len(beats), "it wakes between two beats"
        assert worker.slot[wire.CPU] > 0
        assert worker.slot[wire.RSS] > 1_000_000

    def test_09_a_worker_that_cannot_look_dies_of_its_interval_timer(self, start: Workers) -> None:
        worker = _one_that_blocks(start, heartbeat_timeout_ns=200 * MS, drain_timeout_ns=200 * MS)
        worker.noted("blocked")
        assert worker.ended() == -signal.SIGALRM


def _one_that_blocks(start: Workers, **durations: int) -> Worker:
    """A worker whose loop blocks: `admit` is called by the serving loop itself, and blocks at the second listener."""
    listeners = [listen(), listen()]
    port = listeners[1].getsockname()[1]

    def admit(_peer: Address, listener: Address) -> bool:
        if listener.port == port:
            block()
        return True

    worker = start(App(Scripted, admit=admit), listeners=listeners, **durations)  # type: ignore[arg-type]
    worker.connect(at=1, opened=False)
    return worker


def _stands_still(worker: Worker, *, in_a_turn: bool = True) -> None:
    """HEARTBEAT, in a worker that was just noted to be blocked; it goes on when unlatched.

    `in_a_turn`: what blocks is the serving loop's own turn, which TURN_AT and BUSY tell.
    """
    beat = worker.slot[wire.HEARTBEAT]
    assert not in_a_turn or worker.slot[wire.TURN_AT] == beat
    elapse(100 * MS)
    assert worker.slot[wire.HEARTBEAT] == beat
    worker.unlatch()
    until(lambda: worker.slot[wire.HEARTBEAT] > beat and worker.slot[wire.TURN_AT] == 0, "beats")
    assert not in_a_turn or worker.slot[wire.BUSY] >= 100 * MS
