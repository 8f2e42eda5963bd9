"""The style `protocol` on asyncio's own loop and on uvloop: the loop's clauses hold for it as for a session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from prefork import App
from prefork.testing.contract import Workers
from prefork.testing.contract.accept_clauses import AcceptClauses
from prefork.testing.contract.harness import MS
from prefork.testing.contract.life_clauses import LifeClauses
from prefork.wire import WANT_DRAIN
from tests.contract.styled import ScriptedProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class ProtocolClauses(LifeClauses, AcceptClauses):
    """In their own words, where a Session is told how many seconds are left."""

    loop: ClassVar[str]
    threaded = False

    test_15_threads_of_offload_are_bounded_and_used_again = None  # type: ignore[assignment]

    @pytest.fixture
    def start(self) -> Iterator[Workers]:
        with Workers("asyncio", {"loop": self.loop}, App(ScriptedProtocol)) as start:
            yield start

    def test_05_a_drain_closes_idle_sessions_at_once_and_the_others_when_they_are_idle(self, start: Workers) -> None:
        worker = start()
        idle, cut, later = (worker.connect() for _ in range(3))
        for each in (idle, cut, later):
            each.echoes()
        cut.socket.sendall(b"echo cut sh")
        later.say("later 0.3 echo done")
        idle.echoes()
        worker.want(WANT_DRAIN)
        idle.is_over()
        worker.noted("closed NoneType", "draining", "draining")
        later.hears("done")
        later.is_over()
        cut.socket.sendall(b"ort\n")
        cut.hears("cut short")
        cut.is_over()
        assert worker.ended() == 0
        worker.noted("closed NoneType", "closed NoneType")
        worker.no_more_notes()

    def test_05_what_a_slow_reader_has_not_read_yet_is_sent_before_the_worker_ends(self, start: Workers) -> None:
        worker = start()
        slow = worker.connect()
        slow.say("pour 10000")
        worker.want(WANT_DRAIN)
        worker.noted("draining")
        slow.hears_pour(10000)
        slow.is_over()
        assert worker.ended() == 0

    def test_06_who_is_not_idle_by_the_deadline_is_ended(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 200 * MS)
        worker.noted("draining")
        worker.noted("closed DrainTimeoutError")
        client.is_over()
        assert worker.ended() == 0

    def test_06_without_a_deadline_in_the_slot_drain_timeout_holds(self, start: Workers) -> None:
        worker = start(drain_timeout_ns=200 * MS)
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN)
        worker.noted("draining")
        worker.noted("closed DrainTimeoutError")
        assert worker.ended() == 0

    def test_06_a_deadline_may_be_moved_earlier(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 20_450 * MS)
        worker.noted("draining")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
        worker.noted("closed DrainTimeoutError")
        assert worker.ended() == 0

    def test_08_when_the_channel_ends_the_port_is_free_and_sessions_drain(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho cut sh")
        client.hears("a")
        worker.listeners[0].close()
        worker.channel.close()
        worker.noted("draining")
        client.socket.sendall(b"ort\n")
        client.hears("cut short")
        client.is_over()
        assert worker.ended() == 0


class TestOnAsyncio(ProtocolClauses):
    loop = "asyncio"


class TestOnUvloop(ProtocolClauses):
    loop = "uvloop"
