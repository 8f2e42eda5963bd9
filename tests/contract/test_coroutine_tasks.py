"""What asyncio adds to clause 37, on its own loop and on uvloop: a coroutine is a task, and awaits what asyncio has."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from prefork import App, AsyncConn, Lines, wire
from prefork.testing.contract import Workers, note
from prefork.testing.contract.coroutine_clauses import scripted
from prefork.testing.contract.harness import MS
from prefork.testing.contract.waiting import until
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator


async def sleeps(conn: AsyncConn[str]) -> None:
    async for line in conn:
        await asyncio.sleep(0.001)
        await conn.send(line)


async def times_out(conn: AsyncConn[str]) -> None:
    """Gives up waiting for a line again and again; none is lost."""
    async for line in conn:
        await conn.send(line)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await conn.receive()
                await conn.send("too early")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(conn.receive(), 0.001)
            await conn.send("too early")
        await conn.send("timed out twice")


async def in_a_group(conn: AsyncConn[str]) -> None:
    """A reader and a writer, each a task."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def read() -> None:
        async for line in conn:
            await queue.put(line)
        await queue.put(None)

    async def write() -> None:
        while (line := await queue.get()) is not None:
            await conn.send(line)
            await conn.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        group.create_task(write())
    await conn.send("both are through")


async def two_readers(conn: AsyncConn[str]) -> None:
    first = asyncio.create_task(conn.receive())
    await asyncio.sleep(0)
    try:
        await conn.receive()
    except RuntimeError as error:
        await conn.send(str(error))
    await conn.send(await first)


async def current(conn: AsyncConn[str]) -> None:
    async for _ in conn:
        task = asyncio.current_task()
        await conn.send(task.get_name() if task else "none")


async def fails_later(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    await asyncio.sleep(0)
    raise ValueError("on purpose")


async def exits_later(_conn: AsyncConn[str]) -> None:
    await asyncio.sleep(0)
    raise SystemExit(7)


async def waits_elsewhere(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        note("cancelled")
        raise
    finally:
        await asyncio.sleep(0.01)
        note("cleaned up")


async def has_a_helper(conn: AsyncConn[str]) -> None:
    helper = asyncio.create_task(waits_elsewhere(conn))
    await conn.sleep(3600)
    await helper


async def tidies(conn: AsyncConn[str]) -> None:
    async for line in conn:
        await conn.send(line)
    await asyncio.sleep(0.05)
    note("cleaned up")


async def fails_to_tidy(conn: AsyncConn[str]) -> None:
    async for line in conn:
        await conn.send(line)
    await asyncio.sleep(0)
    raise ValueError("untidy")


async def never_ends(conn: AsyncConn[str]) -> None:
    async for line in conn:
        await conn.send(line)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@pytest.fixture(params=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with Workers("asyncio", {"loop": request.param}) as start:
        yield start


def test_it_awaits_asyncio_and_items_keep_their_order(start: Workers) -> None:
    client = start(App(sleeps, framer=Lines)).connect(opened=False)
    client.say("one\ntwo\nthree")
    client.hears("one", "two", "three")


def test_a_receive_that_is_cancelled_loses_nothing(start: Workers) -> None:
    worker = start(App(times_out, framer=Lines))
    client = worker.connect(opened=False)
    for text in ("one", "two", "three"):
        client.say(text)
        client.hears(text, "timed out twice")
    assert worker.log == []


def test_tasks_of_its_own_receive_and_send(start: Workers) -> None:
    client = start(App(in_a_group, framer=Lines)).connect(opened=False)
    client.say("one\ntwo\nthree")
    client.hears("one", "two", "three")
    client.socket.shutdown(1)
    client.hears("both are through")
    client.is_over()


def test_a_lost_peer_ends_a_group(start: Workers) -> None:
    worker = start(App(in_a_group, framer=Lines))
    client = worker.connect(opened=False)
    client.say("one")
    client.hears("one")
    client.resets()
    worker.ends(1)
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0
    assert worker.log == []


def test_two_tasks_can_not_wait_for_the_next_item(start: Workers) -> None:
    client = start(App(two_readers, framer=Lines)).connect(opened=False)
    client.hears("receive: another task waits for the next item already")
    client.say("for the first")
    client.hears("for the first")


def test_it_is_the_current_task_also_where_an_item_wakes_it(start: Workers) -> None:
    client = start(App(current, framer=Lines)).connect(opened=False)
    client.say("who?")
    client.hears("current")


def test_an_exception_after_an_await_of_asyncio_is_the_sessions(start: Workers) -> None:
    worker = start(App(fails_later, framer=Lines))
    client = worker.connect(opened=False)
    peer = "{}:{}".format(*client.socket.getsockname())
    client.hears("begun")
    client.is_over()
    assert worker.log == [f"session with {peer} ended by ValueError: on purpose"]


def test_an_exit_after_an_await_of_asyncio_leaves_run(start: Workers) -> None:
    worker = start(App(exits_later, framer=Lines))
    worker.connect(opened=False)
    assert worker.ended() == 7


def test_the_sessions_end_cancels_what_it_awaits_elsewhere(start: Workers) -> None:
    worker = start(App(waits_elsewhere, framer=Lines))
    client = worker.connect(opened=False)
    client.hears("begun")
    client.resets()
    worker.noted("cancelled", "cleaned up")
    assert worker.log == []


def test_a_lost_peer_raises_where_it_sleeps(start: Workers) -> None:
    worker = start(App(scripted, framer=Lines))
    client = worker.connect()
    client.say("echo asleep\nsleep 3600")
    client.hears("asleep")
    client.resets()
    worker.noted("raised ConnectionResetError")
    assert worker.log == []


def test_a_drain_waits_for_what_it_awaits_elsewhere_until_its_deadline_and_then_for_its_clean_up(
    start: Workers,
) -> None:
    worker = start(App(waits_elsewhere, framer=Lines), drain_timeout_ns=100 * MS)
    client = worker.connect(opened=False)
    client.hears("begun")
    worker.want(WANT_DRAIN)
    worker.noted("cancelled", "cleaned up")
    assert worker.ended() == 0
    assert worker.log == []


def test_a_task_of_a_sessions_may_await_in_its_clean_up_behind_the_deadline(start: Workers) -> None:
    worker = start(App(has_a_helper, framer=Lines), drain_timeout_ns=100 * MS)
    client = worker.connect(opened=False)
    client.hears("begun")
    worker.want(WANT_DRAIN)
    worker.noted("cancelled", "cleaned up")
    assert worker.ended() == 0
    assert worker.log == ["cancelled 1 tasks that were left when the last session was over"]


def test_its_clean_up_may_await_after_the_last_session(start: Workers) -> None:
    worker = start(App(tidies, framer=Lines))
    client = worker.connect(opened=False)
    client.say("one")
    client.hears("one")
    worker.want(WANT_DRAIN)
    worker.noted("cleaned up")
    assert worker.ended() == 0
    assert worker.log == []


def test_what_its_clean_up_raises_is_logged(start: Workers) -> None:
    worker = start(App(fails_to_tidy, framer=Lines))
    client = worker.connect(opened=False)
    peer = "{}:{}".format(*client.socket.getsockname())
    client.say("one")
    client.hears("one")
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0
    assert worker.log == [f"session with {peer}: at its end the coroutine raised ValueError: untidy"]


def test_one_that_does_not_end_holds_no_drain_up_and_is_reported_with_its_place(start: Workers) -> None:
    worker = start(App(never_ends, framer=Lines), heartbeat_interval_ns=10 * MS, drain_timeout_ns=300 * MS)
    client = worker.connect(opened=False)
    client.say("one")
    client.hears("one")
    worker.want(WANT_DRAIN)
    client.is_over()
    beat = worker.slot[wire.HEARTBEAT]
    until(lambda: worker.slot[wire.HEARTBEAT] > beat + 30 * MS, "beats")
    assert worker.ended() == 0
    code = never_ends.__code__
    assert worker.log[-1] == (
        f"a task does not end when cancelled: never_ends, made at {code.co_filename}:{code.co_firstlineno}"
    )
