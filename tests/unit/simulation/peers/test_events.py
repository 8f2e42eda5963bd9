"""Peers that act at once, on sequences computed by hand: births, and who goes."""

from __future__ import annotations

from prefork.simulation.peers import DelayedOff, NetServer, Postfix
from tests.unit.simulation.peers.stage import ORIGIN, S, Stage

NOTHING: tuple[int, list[int]] = (0, [])


def test_net_server_bears_the_whole_deficit_at_each_report() -> None:
    stage = Stage(NetServer())
    assert stage.started == 5
    stage.busy(1)
    stage.come(served=1)
    assert stage.look(0.1) == (1, [])  # four wait for work, five should
    assert stage.look(0.2) == NOTHING  # who boots does
    stage.ready()
    stage.busy(5)
    stage.come(served=4)
    assert stage.look(0.3) == (4, [])


def test_net_server_trims_after_ten_quiet_seconds_and_goes_down_after_thirty() -> None:
    stage = Stage(NetServer(min_spare=15))
    stage.busy(0)
    stage.come(served=1)
    assert stage.look(2) == (10, [])
    stage.peer = NetServer()
    stage.ready()
    assert stage.look(5) == NOTHING  # 15 wait, but the last check is 5 s old
    assert stage.look(10.5) == NOTHING  # checked; the last birth is 8.5 s old
    assert stage.look(20.4) == NOTHING  # the last check is 9.9 s old
    assert stage.look(20.6) == (0, [1, 2, 3, 4, 5])  # above ten
    assert stage.look(31) == NOTHING  # ten wait; the last request is 29 s old
    assert stage.look(32.1) == (0, [6, 7, 8, 9, 10])  # over 30 s without one, and the last trim is 11.5 s old
    assert stage.look(60) == NOTHING  # five are kept


def test_net_server_trims_once_in_ten_seconds() -> None:
    stage = Stage(NetServer(min_servers=2, min_spare=2, max_spare=3))
    assert stage.started == 2
    stage.peer = NetServer(min_servers=8, min_spare=2, max_spare=3)
    assert stage.look(1) == (6, [])
    stage.peer = NetServer(min_servers=2, min_spare=2, max_spare=3)
    stage.ready()
    assert stage.look(25) == (0, [1, 2, 3, 4, 5])  # eight wait, three may
    assert stage.look(31) == NOTHING  # 30 s without a request: down to two, but the last trim is 6 s old
    assert stage.look(36) == (0, [6])


def test_postfix_bears_one_after_the_other_and_a_worker_leaves_after_its_idle_time() -> None:
    stage = Stage(Postfix())
    assert stage.started == 0
    stage.come(waiting=2)
    assert stage.look(0.1) == (1, [])
    assert stage.look(0.15) == NOTHING  # who boots is available
    stage.ready()
    stage.busy(1)
    stage.queue, stage.arrivals = 1, 1
    assert stage.look(0.3) == (1, [])
    stage.now, stage.queue, stage.arrivals = 1, 0, 2
    stage.ready()
    stage.busy(0)
    stage.now = 2
    assert stage.look(59) == NOTHING
    assert stage.look(60) == NOTHING
    assert stage.wake == ORIGIN + 101 * S
    assert stage.look(101) == (0, [1, 2])


def test_delayed_off_has_a_birth_for_each_that_waits_and_all_idle_ones_leave() -> None:
    stage = Stage(DelayedOff())
    assert stage.started == 0
    stage.come(waiting=2)
    assert stage.look(0.1) == (2, [])
    stage.come(waiting=1)
    assert stage.look(0.2) == (1, [])  # two boot
    stage.queue, stage.arrivals = 1, 2
    assert stage.look(0.3) == NOTHING  # three boot for one that waits
    stage.now, stage.queue = 1, 0
    stage.ready()
    assert stage.look(2) == NOTHING
    assert stage.wake == ORIGIN + 11 * S
    assert stage.look(11) == (0, [1, 2, 3])


def test_delayed_off_counts_places() -> None:
    stage = Stage(DelayedOff(), places=10)
    stage.come(waiting=21)
    assert stage.look(0.1) == (3, [])
