"""What a decision record says of a running pool."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from prefork import Lines, PoolConfig, Session
from prefork.testing import running
from tests.apps.lines import Echo
from tests.client import Client

if TYPE_CHECKING:
    from prefork.policy.model import PoolView

PATIENT = PoolConfig(min_workers=1, max_workers=2, drain_timeout=600)


class Feed(Session[str]):
    """Silent between two lines, by a ping that is due in an hour; told to finish, it says so and lets go."""

    framer = Lines

    def opened(self) -> None:
        self.ping = self.conn.call_later(3600, self.send, "ping")
        self.send("welcome")

    def draining(self, seconds_left: float, /) -> None:
        self.send(f"connect again within {seconds_left:.0f} seconds")
        self.ping.cancel()


def is_of_the_next_generation(view: PoolView) -> bool:
    return view.generation == 2 and {worker.generation for worker in view.workers} == {2}


def test_0009_a_reload_does_not_wait_for_a_client_between_two_requests() -> None:
    with running(Echo, pool=PATIENT) as pool, Client(pool) as client:
        assert client.ask("one request") == "one request"
        pool.signal(signal.SIGHUP)
        assert client.hear() is None
        pool.wait_for(is_of_the_next_generation)


def test_0009_a_session_with_a_timer_pending_is_told_and_closes_when_it_cancels_it() -> None:
    with running(Feed, pool=PATIENT) as pool, Client(pool) as client:
        assert client.hear() == "welcome"
        pool.signal(signal.SIGHUP)
        assert client.hear() == "connect again within 600 seconds"
        assert client.hear() is None
        pool.wait_for(is_of_the_next_generation)
