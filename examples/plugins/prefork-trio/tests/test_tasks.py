"""What trio adds: tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prefork_trio
import pytest
import trio

from prefork import wire
from prefork.testing.contract import Scripted, Worker, Workers, note
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tasks(Scripted):
    """Does in a task what it is told."""

    def do_task(self, rest: str) -> None:
        prefork_trio.start_soon(self.work, rest)

    def do_system_task(self, rest: str) -> None:
        trio.lowlevel.spawn_system_task(self.work, rest)

    def do_slow_task(self, _rest: str) -> None:
        prefork_trio.start_soon(self.linger)
        self.send("made")

    async def linger(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            note("cancelled")
            with trio.CancelScope(shield=True):
                await trio.sleep(0.3)
            note("task over")

    async def work(self, line: str) -> None:
        try:
            await trio.sleep(0.001)
            self.received(line)
            await trio.sleep_forever()
        finally:
            note("task over")


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Workers("trio", {}) as start:
        yield start(Tasks)


@pytest.mark.parametrize("kind", ["task", "system_task"])
def test_a_task_answers_outside_of_any_callback(worker: Worker, kind: str) -> None:
    client = worker.connect()
    client.say(f"{kind} echo from a task")
    client.hears("from a task")


def test_what_a_task_raises_is_logged_and_touches_nothing_else(worker: Worker) -> None:
    client = worker.connect()
    client.say("task raise x")
    worker.noted("task over")
    client.hears("last words")
    client.echoes()
    assert worker.log == ["a task raised ValueError: x"]


def test_tasks_left_after_the_last_session_are_cancelled_and_waited_for(worker: Worker) -> None:
    client = worker.connect()
    client.say("task echo x")
    client.hears("x")
    worker.want(WANT_DRAIN)
    worker.noted("closed NoneType")
    worker.noted("task over")
    assert worker.ended() == 0
    assert worker.log == ["cancelled 1 tasks that were left when the last session was over"]


def test_the_loop_beats_while_a_cancelled_task_is_awaited() -> None:
    with Workers("trio", {}) as start:
        worker = start(Tasks, heartbeat_interval_ns=10_000_000)
        client = worker.connect()
        client.say("slow_task")
        client.hears("made")
        worker.want(WANT_DRAIN)
        worker.noted("closed NoneType")
        worker.noted("cancelled")
        beat = worker.slot[wire.HEARTBEAT]
        until(lambda: worker.slot[wire.HEARTBEAT] > beat + 50_000_000, "beats")
        worker.noted("task over")
        assert worker.ended() == 0


def test_an_exit_in_a_task_leaves_run(worker: Worker) -> None:
    worker.connect().say("task exit 7")
    assert worker.ended() == 7
