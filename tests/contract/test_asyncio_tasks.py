"""What asyncio adds, on its own loop and on uvloop: tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from prefork import H11, Request, Response, Session, wire
from prefork.testing.contract import Scripted, Workers, note
from prefork.testing.contract.harness import MS
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tasks(Scripted):
    """Does in a task what it is told; the task then waits, and obeys its cancellation or not."""

    def do_task(self, rest: str) -> None:
        self.task = asyncio.ensure_future(self.work(rest))

    def do_stubborn(self, _rest: str) -> None:
        self.task = asyncio.ensure_future(self.refuse())

    async def work(self, line: str) -> None:
        try:
            self.received(line)
            await asyncio.sleep(3600)
        finally:
            note("task over")

    async def refuse(self) -> None:
        self.send("begun")
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                note("refused")


class Answering(Session[Any]):
    """Answers each request in a task."""

    framer = H11()

    def received(self, request: Request, /) -> None:
        note("received")
        self.task = asyncio.ensure_future(self.answer(request))

    async def answer(self, request: Request) -> None:
        await asyncio.sleep(0.05)
        self.send(Response(200, (), request.target.encode()))


@pytest.fixture(params=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with Workers("asyncio", {"loop": request.param}) as start:
        yield start


def test_a_task_answers_outside_of_any_callback(start: Workers) -> None:
    client = start(Tasks).connect()
    client.say("task echo from a task")
    client.hears("from a task")


def test_system_exit_from_a_task_leaves_run(start: Workers) -> None:
    worker = start(Tasks)
    worker.connect().say("task exit 7")
    assert worker.ended() == 7


def test_tasks_left_after_the_last_session_are_cancelled_and_waited_for(start: Workers) -> None:
    worker = start(Tasks)
    client = worker.connect()
    client.say("task echo x")
    client.hears("x")
    worker.want(WANT_DRAIN)
    client.is_over()
    assert worker.ended() == 0
    worker.noted("closed NoneType", "task over")
    assert worker.log == ["cancelled 1 tasks that were left when the last session was over"]


def test_a_task_that_does_not_end_is_reported_with_the_line_that_made_it_and_the_worker_beats_until_then(
    start: Workers,
) -> None:
    worker = start(Tasks, heartbeat_interval_ns=10 * MS, drain_timeout_ns=300 * MS)
    client = worker.connect()
    client.say("stubborn")
    client.hears("begun")
    worker.want(WANT_DRAIN)
    worker.noted("closed NoneType")
    worker.noted("refused")
    beat = worker.slot[wire.HEARTBEAT]
    until(lambda: worker.slot[wire.HEARTBEAT] > beat + 30 * MS, "beats")
    assert worker.ended() == 0
    made = Tasks.do_stubborn.__code__
    assert worker.log[1].startswith("a task does not end when cancelled: ")
    assert worker.log[1].endswith(f"made at {made.co_filename}:{made.co_firstlineno + 1}")


def test_a_request_that_a_task_answers_is_answered_before_a_drain_ends_its_session(start: Workers) -> None:
    worker = start(Answering)
    client = worker.connect(opened=False)
    client.socket.sendall(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
    worker.noted("received")
    worker.want(WANT_DRAIN)
    assert client.rest().endswith(b"\r\n\r\n/slow")
    assert worker.ended() == 0
