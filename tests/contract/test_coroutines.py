"""What clause 37 leaves to each kind of loop: foreign awaits are told where a coroutine is driven by hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from prefork import App, AsyncConn, Lines
from prefork.testing.contract import Workers
from prefork.testing.contract.coroutine_clauses import scripted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

CURE = (
    "on this loop a coroutine awaits what its conn offers (receive, send, sleep, offload …); "
    "for asyncio's own awaits say backend = 'asyncio'"
)
BY_HAND = ["selectors", "threads", "trio", "gevent"]
NOTICES_RESETS = ["selectors", "threads", "trio"]
"""gevent's poll says nothing of a connection that isn't read."""


class Odd:
    def __await__(self) -> Generator[str, None, None]:
        yield "odd"


async def sleeps(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    await asyncio.sleep(1)


async def yields(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    await asyncio.sleep(0)


async def times_out(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    async with asyncio.timeout(1):
        await conn.receive()


async def sleeps_in_trio(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    await trio.sleep(1)


async def odd(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    await Odd()


async def insists(conn: AsyncConn[str]) -> None:
    await conn.send("begun")
    while True:
        with contextlib.suppress(RuntimeError):
            await asyncio.sleep(0)


async def goes_on(conn: AsyncConn[str]) -> None:
    try:
        await asyncio.sleep(0)
    except RuntimeError:
        await conn.send("went on")
    async for line in conn:
        await conn.send(line)


_FIRST: list[AsyncConn[str]] = []


async def waits_for_another(conn: AsyncConn[str]) -> None:
    _FIRST.append(conn)
    await conn.send("begun")
    await conn.receive()
    await _FIRST[0].sleep(1)


def plain(_conn: AsyncConn[str]) -> Any:
    return 7


@pytest.fixture(params=BY_HAND)
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with Workers(request.param, {}) as start:
        yield start


@pytest.mark.parametrize(
    ("app", "what", "line"),
    [
        (sleeps, "asyncio's sleep", 2),
        (yields, "asyncio's sleep", 2),
        (times_out, "asyncio's timeout", 2),
        (odd, "a str", 2),
        (insists, "asyncio's sleep", 4),
    ],
)
def test_a_foreign_await_ends_the_session_with_what_was_awaited_and_where(
    start: Workers, app: Any, what: str, line: int
) -> None:
    worker = start(App(app, framer=Lines))
    client = worker.connect(opened=False)
    peer = "{}:{}".format(*client.socket.getsockname())
    client.hears("begun")
    client.is_over()
    code = app.__code__
    at = f"{code.co_filename}, line {code.co_firstlineno + line}"
    if app is odd:  # the innermost line is that of the object's own __await__
        at = f"{code.co_filename}, line {Odd.__await__.__code__.co_firstlineno + 1}"
    sentence = f"session with {peer} ended by ForeignAwaitError: await of {what} at {at}: {CURE}"
    assert os.pread(worker._log, 1 << 16, 0).decode().splitlines() == [sentence]


def test_an_await_of_trio_is_told_as_well_also_where_trio_runs(start: Workers) -> None:
    worker = start(App(sleeps_in_trio, framer=Lines))
    client = worker.connect(opened=False)
    client.hears("begun")
    client.is_over()
    (line,) = worker.log
    code = sleeps_in_trio.__code__
    assert "await of trio's " in line
    assert f"at {code.co_filename}, line {code.co_firstlineno + 2}: {CURE}" in line


def test_a_coroutine_that_catches_it_goes_on(start: Workers) -> None:
    worker = start(App(goes_on, framer=Lines))
    client = worker.connect(opened=False)
    client.say("and echoes")
    client.hears("went on", "and echoes")
    assert worker.log == []


def test_another_sessions_conn_can_not_be_waited_for(start: Workers) -> None:
    worker = start(App(waits_for_another, framer=Lines))
    first, other = worker.connect(opened=False), worker.connect(opened=False)
    first.hears("begun")
    other.hears("begun")
    other.say("now")
    other.is_over()
    (line,) = os.pread(worker._log, 1 << 16, 0).decode().splitlines()
    code = waits_for_another.__code__
    assert f"await of another session's conn at {code.co_filename}, line {code.co_firstlineno + 4}: " in line
    assert line.endswith("use its send_nowait")


def test_what_makes_no_coroutine_is_told(start: Workers) -> None:
    worker = start(App(partial(plain), style="coroutine", framer=Lines))
    client = worker.connect(opened=False)
    client.is_over()
    (line,) = worker.log
    assert line.endswith("ended by TypeError: plain returned 7, not a coroutine")


@pytest.mark.parametrize("loop", NOTICES_RESETS)
def test_a_lost_peer_raises_where_it_sleeps(loop: str) -> None:
    with Workers(loop, {}) as start:
        worker = start(App(scripted, framer=Lines))
        client = worker.connect()
        client.say("echo asleep\nsleep 3600")
        client.hears("asleep")
        client.resets()
        worker.noted("raised ConnectionResetError")
        worker.ends(1)
        assert worker.log == []
