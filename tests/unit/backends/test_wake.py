"""Who posts to a loop wakes it where it waits, once, and not in a turn, for it looks at its inbox before it waits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prefork import App, Session, Stream
from prefork.backends.host import Host
from prefork.backends.turns import Turns

if TYPE_CHECKING:
    from prefork.backends.tether import Tether


def _written(tether: Tether) -> int:
    try:
        return len(os.read(tether.wakeup_fd, 4096))
    except BlockingIOError:
        return 0


def test_a_loop_that_waits_is_woken_by_the_first_who_posts(tether: Tether) -> None:
    tether.wake()
    tether.wake()
    assert _written(tether) == 1
    tether.close()


def test_a_loop_in_its_turn_is_not_woken_and_after_it_it_is(tether: Tether) -> None:
    tether.turn_began(1)
    tether.wake()
    assert _written(tether) == 0
    tether.turn_ended(2)
    tether.wake()
    assert _written(tether) == 1
    tether.close()


def test_what_was_posted_in_a_turn_is_called_in_the_next_which_does_not_wait(tether: Tether) -> None:
    host = Host(App(Session, framer=Stream), tether)
    turns = Turns(host, tether, [])
    called: list[str] = []
    turns.began([])
    host.post(called.append, "now")
    turns.ended()
    tether.next_at = turns.now + 3600 * 1_000_000_000
    assert turns.patience() == 0
    turns.turn(turns.patience())
    assert called == ["now"]
    assert turns.patience() > 0
    turns.close()
