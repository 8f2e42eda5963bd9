"""Peers that look at their pool by a clock, on sequences computed by hand from policy tables: births, and who goes."""

from __future__ import annotations

from prefork.simulation.peers import (
    Apache,
    PhpFpmDynamic,
    PhpFpmOndemand,
    TheSeed,
    UwsgiBacklog,
    UwsgiBusyness,
    UwsgiSpare,
    UwsgiSpare2,
)
from tests.unit.simulation.peers.stage import S, Stage

NOTHING: tuple[int, list[int]] = (0, [])


def test_the_seed_looks_each_ten_seconds_and_bears_over_its_max() -> None:
    stage = Stage(TheSeed())
    assert stage.started == 5
    stage.busy(5)
    assert stage.ticks(1, 10) == {10: (5, [])}  # none of 5 is spare, 5 are missing
    assert stage.ticks(11, 20) == {}  # 5 that boot are spare
    stage.ready()
    stage.busy(10)
    assert stage.look(30) == (5, [])
    stage.ready()
    stage.busy(15)
    assert stage.look(40) == (5, [])
    stage.ready()
    stage.busy(20)
    assert stage.look(50) == (5, [])  # 25 of 20
    # spare 5, none missing; 25 - 20 go, busy or not. Multiples of the golden ratio, behind the comma: 13 -> .03,
    # 5 -> .09, 18 -> .12, 10 -> .18, 23 -> .21, and 2 -> .24 is the next
    assert stage.look(60) == (0, [13, 5, 18, 10, 23])


def test_the_seed_lets_spares_go_above_its_most() -> None:
    stage = Stage(TheSeed(min_servers=2, min_spare=2, max_spare=1))
    assert stage.look(10) == (0, [2])  # .24 is before 1 -> .62


def test_apache_doubles_its_births_each_second_that_finds_too_few() -> None:
    stage = Stage(Apache())
    assert stage.started == 5
    assert stage.look(1) == NOTHING  # 5 idle are enough
    stage.busy(5)
    assert stage.look(2) == (1, [])  # idle 0
    assert stage.look(3) == (2, [])  # idle 1: who boots
    assert stage.look(4) == (4, [])  # idle 3, 2 are missing, 4 are born
    stage.ready()
    assert stage.look(5) == NOTHING  # idle 7: the next cycle that finds too few begins with 1
    stage.busy(12)
    assert stage.look(6) == (1, [])
    stage.ready()
    stage.busy(0)
    assert stage.look(7) == (0, [13])  # 13 idle, more than 10: the youngest
    assert stage.look(8) == (0, [12])
    assert stage.look(9) == (0, [11])
    assert stage.look(10) == NOTHING


def test_apache_bears_thirty_two_at_most_and_none_over_the_max() -> None:
    stage = Stage(Apache(min_spare=100, max_spare=200), most=90)
    said = stage.ticks(1, 9)
    assert [born for born, _ in said.values()] == [1, 2, 4, 8, 16, 32, 22]  # 5 + 63 + 22 = 90


def test_php_fpm_dynamic_bears_what_is_missing_and_again_while_that_boots() -> None:
    stage = Stage(PhpFpmDynamic())
    assert stage.started == 2
    stage.busy(2)
    assert stage.look(1) == (1, [])
    assert stage.look(2) == (1, [])  # who boots isn't idle
    stage.ready()
    assert stage.look(3) == NOTHING  # 2 idle
    stage.busy(0)
    assert stage.look(4) == (0, [1])  # 4 idle, more than 3: the oldest
    assert stage.look(5) == NOTHING


def test_php_fpm_dynamic_doubles_its_rate_up_to_what_is_missing() -> None:
    stage = Stage(PhpFpmDynamic(min_spare=6, max_spare=9))
    stage.busy(2)
    assert stage.look(1) == (1, [])
    stage.ready()
    assert stage.look(2) == (2, [])
    stage.ready()
    assert stage.look(3) == (3, [])  # rate 4, idle 3 of 6
    stage.ready()
    assert stage.look(4) == NOTHING
    stage.busy(3)
    assert stage.look(5) == (1, [])  # the rate began anew


def test_php_fpm_ondemand_forks_for_each_that_waits_and_looks_at_the_oldest_idle_child() -> None:
    stage = Stage(PhpFpmOndemand())
    assert stage.started == 0
    stage.come(waiting=1)
    assert stage.look(0.1) == (1, [])
    assert stage.look(0.2) == NOTHING  # it is the same one that waits
    stage.come(waiting=2)
    assert stage.look(0.3) == (2, [])  # one boots, which isn't idle
    stage.now, stage.queue, stage.arrivals = 1, 0, 3
    stage.ready()
    stage.come(served=1)
    assert stage.look(1) == NOTHING  # somebody was idle
    assert stage.ticks(2, 11) == {}  # idle since 1: for 10 s and no longer
    assert stage.ticks(12, 14) == {12: (0, [1]), 13: (0, [2]), 14: (0, [3])}


def test_uwsgi_spare_grows_after_three_busy_seconds_and_stands_still_with_one_idle() -> None:
    stage = Stage(UwsgiSpare())
    assert stage.started == 2  # min_workers
    stage.busy(2)
    assert stage.ticks(1, 3) == {3: (1, [])}
    assert stage.ticks(4, 9) == {}  # exactly one idle: who boots
    stage.ready()
    stage.busy(0)
    assert stage.ticks(10, 12) == {12: (0, [1])}
    assert stage.ticks(13, 20) == {}  # two are cheaper


def test_uwsgi_spare2_fills_up_what_is_idle_and_is_slow_to_let_go() -> None:
    stage = Stage(UwsgiSpare2())
    stage.busy(1)
    assert stage.look(1) == (1, [])  # one idle of two
    assert stage.look(2) == NOTHING
    stage.ready()
    stage.busy(0)
    assert stage.ticks(3, 12) == {12: (0, [1])}  # the tenth second with three
    assert stage.ticks(13, 30) == {}


def test_uwsgi_backlog_looks_at_the_queue_alone() -> None:
    stage = Stage(UwsgiBacklog())
    stage.queue = 4
    assert stage.look(1) == (1, [])
    stage.queue = 3
    assert stage.look(2) == NOTHING
    stage.queue = 2
    stage.ready()
    assert stage.look(3) == (0, [1])
    assert stage.look(4) == NOTHING  # min_workers


def work(stage: Stage, first: int, last: int, seconds: float) -> dict[int, tuple[int, list[int]]]:
    """Look each second, while in each check of 3 s so many seconds of sessions are served."""
    said: dict[int, tuple[int, list[int]]] = {}
    for at in range(first, last + 1, 3):
        stage.worked += round(seconds * S)
        said |= stage.ticks(at, at + 2)
    return said


def test_uwsgi_busyness_waits_for_thirty_seconds_and_longer_once_it_was_wrong() -> None:
    stage = Stage(UwsgiBusyness())
    # by the look of second 3: two workers, 3.6 s of 6: 60 %, one more, and no end before 3 + 30
    assert work(stage, 1, 3, 3.6) == {3: (1, [])}
    stage.ready()
    # three workers, 1.8 s of 9: 20 %; at 33 one goes, two have 30 % then, and no end before 63
    assert work(stage, 4, 33, 1.8) == {33: (0, [1])}
    # 3.6 s of 6 again, one check after the end: one more, the multiplier is 12, and no end before 36 + 36
    assert work(stage, 34, 36, 3.6) == {36: (1, [])}
    stage.ready()
    assert work(stage, 37, 72, 1.8) == {72: (0, [2])}


def test_uwsgi_busyness_puts_ends_off_while_it_is_neither_busy_nor_idle() -> None:
    stage = Stage(UwsgiBusyness(cheaper=1), most=5)
    # 3.6 s of 3 (one worker) is 100 %: two, at 3; no end before 33
    assert work(stage, 1, 3, 3.6) == {3: (1, [])}
    stage.ready()
    # 2.4 s of 6 is 40 %: two checks put it off to 39, the third to 12 + 30, and so on until 30 + 30
    assert work(stage, 4, 30, 2.4) == {}
    assert work(stage, 31, 60, 1.2) == {60: (0, [1])}  # 20 %


def test_uwsgi_busyness_has_an_emergency_worker_each_second_for_a_long_queue() -> None:
    stage = Stage(UwsgiBusyness(), most=6)
    stage.queue = 34
    assert stage.ticks(1, 2) == {1: (1, []), 2: (1, [])}
    stage.queue = 33
    # four workers, two of them emergencies: 3 * 3 s after the last birth (2 + 9) they may go, at the check of 12
    assert stage.ticks(3, 3) == {}
    stage.ready()
    assert stage.ticks(4, 12) == {12: (0, [1])}
    assert stage.ticks(13, 21) == {21: (0, [2])}  # one emergency is left: 12 + 9
    assert stage.ticks(22, 60) == {}  # min_workers
