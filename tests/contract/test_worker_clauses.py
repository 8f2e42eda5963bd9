"""The clauses of `prefork.backends.contract` about a worker, on the selectors loop; tests are named for them."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from prefork import wire
from prefork.backends.preface import accept
from prefork.wire import WANT_DRAIN, WANT_PAUSE_APP, WANT_PAUSE_OPERATOR, WANT_RETIRE, WANT_SWEEP

Start = Callable[..., Any]
MS = 1_000_000


def until(fact: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < end
        select.select([], [], [], 0.001)


def test_01_ready_comes_before_the_first_accept_and_a_wish_already_there_is_obeyed(start: Start) -> None:
    worker = start(wanted=WANT_PAUSE_OPERATOR)  # start() reads READY
    worker.acts_on(WANT_PAUSE_OPERATOR)
    worker.connect(opened=False)
    worker.want(WANT_PAUSE_OPERATOR | WANT_PAUSE_APP)
    worker.acts_on(WANT_PAUSE_OPERATOR | WANT_PAUSE_APP)
    assert worker.sessions == 0


def test_02_a_paused_worker_accepts_nothing_and_serves_on_until_it_is_resumed(start: Start) -> None:
    worker = start()
    old = worker.connect()
    worker.want(WANT_PAUSE_APP)
    worker.acts_on(WANT_PAUSE_APP)
    assert worker.slot[wire.GATE] == wire.GATE_PAUSED
    new = worker.connect(opened=False)
    old.echoes()
    assert worker.sessions == 1
    worker.want(0)
    new.echoes()
    assert worker.sessions == 2


def test_03_the_cap_is_exact(start: Start) -> None:
    worker = start(max_sessions=2)
    clients = [worker.connect(), worker.connect()]
    waiting = [worker.connect(opened=False) for _ in range(20)]
    for _ in range(10):
        worker.channel.send(wire.pack(wire.Bell()))
        clients[0].echoes()
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.GATE]) == (2, wire.GATE_FULL)
    clients[1].socket.close()
    waiting[0].echoes()
    clients[0].echoes()
    assert (worker.slot[wire.ACCEPTED], worker.sessions) == (3, 2)


def test_04_told_to_retire_it_ends_without_a_session_and_declines_with_one(start: Start) -> None:
    worker = start()
    client = worker.connect()
    worker.want(WANT_RETIRE)
    assert worker.hear() == wire.Declined()
    client.echoes()
    worker.want(0)
    client.socket.close()
    worker.holds(0)
    worker.want(WANT_RETIRE)
    assert worker.ended() == 0
    assert worker.hear() is None


def test_04_asked_again_it_answers_again_even_if_the_bit_never_fell(start: Start) -> None:
    worker = start()
    client = worker.connect()
    worker.want(WANT_RETIRE | 1 << wire.WANT_SERIAL_SHIFT)
    assert worker.hear() == wire.Declined()
    client.socket.close()
    worker.holds(0)
    worker.want(WANT_RETIRE | 2 << wire.WANT_SERIAL_SHIFT)
    assert worker.ended() == 0


def test_10_the_master_is_rung_when_sessions_rise_and_not_for_each_of_them(start: Start) -> None:
    worker = start()
    began = time.monotonic()
    clients = [worker.connect() for _ in range(30)]
    worker.holds(30)
    assert wire.unpack(worker.channel.recv(wire.MAX_RECORD)) == wire.Bell()
    for client in clients:
        client.echoes()
    worker.channel.setblocking(False)
    rings = 1
    with contextlib.suppress(BlockingIOError):
        while worker.channel.recv(wire.MAX_RECORD):
            rings += 1
    assert rings <= 2 + (time.monotonic() - began) / 0.05


def test_05_a_drain_closes_idle_sessions_at_once_and_the_others_when_they_are_idle(start: Start) -> None:
    worker = start()
    idle, cut, later = (worker.connect() for _ in range(3))
    for each in (idle, cut, later):
        each.echoes()
    cut.socket.sendall(b"echo cut sh")
    later.say("later 0.2 done")
    idle.echoes()
    began = time.monotonic_ns()
    worker.want(WANT_DRAIN, by=began + 20_000 * MS)
    notes = ["closed NoneType", "draining 20", "draining 20"]
    idle.is_over()
    later.hears("done")
    later.is_over()
    cut.socket.sendall(b"ort\n")
    cut.hears("cut short")
    cut.is_over()
    assert worker.ended() == 0
    assert sorted(worker._text.decode().split("\n") + os.read(worker.notes, 65536).decode().splitlines()) == sorted(
        ["", *notes, "closed NoneType", "closed NoneType"]
    )


def test_05_what_the_kernel_holds_when_a_drain_begins_is_answered(start: Start) -> None:
    worker = start()
    blocking, client = worker.connect(), worker.connect()
    client.echoes()
    blocking.say("block")
    worker.noted("blocked")
    client.say("echo in time")
    worker.want(WANT_DRAIN)
    worker.unlatch()
    client.hears("in time")
    client.is_over()
    assert worker.ended() == 0


def test_05_a_session_just_opened_may_still_send_its_request(start: Start) -> None:
    worker = start()
    blocking = worker.connect()
    blocking.say("block")
    worker.noted("blocked")
    client = worker.connect(opened=False)
    worker.want(WANT_DRAIN | WANT_SWEEP)
    worker.unlatch()
    worker.acts_on(WANT_DRAIN | WANT_SWEEP)
    client.say("echo in time")
    client.hears("in time")
    client.is_over()
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0


def test_06_who_is_not_idle_by_the_deadline_is_ended(start: Start) -> None:
    worker = start()
    client = worker.connect()
    client.socket.sendall(b"echo a\necho never finish")
    client.hears("a")
    worker.want(WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
    worker.noted("draining 0")
    worker.noted("closed DrainTimeoutError")
    client.is_over()
    assert worker.ended() == 0


def test_06_without_a_deadline_in_the_slot_drain_timeout_holds(start: Start) -> None:
    worker = start(drain_timeout_ns=50 * MS)
    client = worker.connect()
    client.socket.sendall(b"echo a\necho never finish")
    client.hears("a")
    worker.want(WANT_DRAIN)
    worker.noted("draining 0")
    worker.noted("closed DrainTimeoutError")
    assert worker.ended() == 0


def test_07_a_sweep_serves_what_is_queued_until_the_master_ends_it(start: Start) -> None:
    worker = start(wanted=WANT_PAUSE_APP, max_sessions=3)
    clients = [worker.connect(opened=False) for _ in range(10)]
    for client in clients:
        client.say("echo served")
    worker.want(WANT_DRAIN | WANT_SWEEP)
    for client in clients:
        client.hears("served")
        client.is_over()
    late = worker.connect(opened=False)  # its handshake was under way when the drain began
    late.say("echo late")
    late.hears("late")
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0
    assert worker.slot[wire.ACCEPTED] == 11


def test_07_a_sweep_goes_on_when_a_full_worker_has_a_free_place(start: Start) -> None:
    worker = start(max_sessions=1)
    first = worker.connect()
    first.say("later 0.02 done")
    others = [worker.connect(opened=False) for _ in range(3)]
    for client in others:
        client.say("later 0.02 done")
    worker.want(WANT_DRAIN | WANT_SWEEP)
    for client in (first, *others):
        client.hears("done")
        client.is_over()
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0
    assert worker.slot[wire.ACCEPTED] == 4


def test_08_when_the_channel_ends_an_idle_worker_is_gone(start: Start) -> None:
    worker = start()
    worker.channel.close()
    assert worker.ended() == 0


def test_08_when_the_channel_ends_the_port_is_free_and_sessions_drain(start: Start) -> None:
    worker = start()
    client = worker.connect()
    client.socket.sendall(b"echo a\necho cut sh")
    client.hears("a")
    address = worker.listeners[0].getsockname()
    worker.listeners[0].close()
    worker.channel.close()
    worker.noted("draining 30")
    with socket.socket() as late:
        assert late.connect_ex(address) == errno.ECONNREFUSED
    client.socket.sendall(b"ort\n")
    client.hears("cut short")
    client.is_over()
    assert worker.ended() == 0


def test_08_unread_records_do_not_hide_the_end_of_the_channel(start: Start) -> None:
    worker = start()
    os.kill(worker.pid, signal.SIGUSR1)
    until(lambda: select.select([worker.channel], [], [], 0)[0])
    worker.channel.close()
    assert worker.ended() == 0


def test_09_the_heartbeat_stands_still_while_a_callback_blocks(start: Start) -> None:
    worker = start(heartbeat_interval_ns=10 * MS)
    client = worker.connect()
    client.say("block")
    worker.noted("blocked")
    beat = worker.slot[wire.HEARTBEAT]
    assert worker.slot[wire.TURN_AT] == beat
    until(lambda: time.monotonic_ns() - beat > 100 * MS)
    assert worker.slot[wire.HEARTBEAT] == beat
    worker.unlatch()
    until(lambda: worker.slot[wire.HEARTBEAT] > beat and worker.slot[wire.TURN_AT] == 0)
    assert worker.slot[wire.BUSY] >= 100 * MS


def test_09_an_idle_worker_wakes_once_a_heartbeat_interval_and_for_nothing_else(start: Start) -> None:
    interval = 50 * MS
    worker = start(heartbeat_interval_ns=interval)
    beats = [worker.slot[wire.HEARTBEAT]]
    while len(beats) < 6:
        beat = worker.slot[wire.HEARTBEAT]
        if beat != beats[-1]:
            beats.append(beat)
        select.select([], [], [], 0.0005)
    assert all(b - a >= interval for a, b in pairwise(beats[1:]))
    assert worker.slot[wire.RSS] > 1_000_000
    assert worker.slot[wire.CPU] > 0
    assert worker.slot[wire.CPU_AT] > 0


def test_09_a_worker_that_cannot_look_dies_of_its_interval_timer(start: Start) -> None:
    worker = start(heartbeat_timeout_ns=50 * MS, drain_timeout_ns=50 * MS)
    worker.connect().say("block")
    worker.noted("blocked")
    assert worker.ended() == -signal.SIGALRM


def test_10_figures_are_true_at_once(start: Start) -> None:
    worker = start()
    since = worker.slot[wire.IDLE_SINCE]
    assert since > 0
    first, second = worker.connect(), worker.connect()
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.CLOSED], worker.slot[wire.IDLE_SINCE]) == (2, 0, 0)
    first.socket.close()
    worker.holds(1)
    assert worker.slot[wire.IDLE_SINCE] == 0
    second.socket.close()
    worker.holds(0)
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.CLOSED]) == (2, 2)
    assert worker.slot[wire.IDLE_SINCE] > since


def test_13_out_of_files_it_waits_and_goes_on_when_one_is_free(start: Start) -> None:
    worker = start(files=4)
    first = worker.connect()
    began = time.monotonic()
    waiting = [worker.connect(opened=False) for _ in range(6)]
    until(lambda: worker.slot[wire.GATE] & wire.GATE_BACKOFF)
    held = worker.sessions
    assert held < 7
    until(lambda: time.monotonic() - began > 0.3)
    assert len(worker.log) <= 1 + (time.monotonic() - began)
    assert worker.log[0].startswith("can't accept: Too many open files; ")
    first.echoes()
    first.socket.close()
    waiting[0].socket.close()
    until(lambda: worker.slot[wire.ACCEPTED] == held + 2)


def test_14_a_connection_reset_before_its_accept_is_counted(start: Start) -> None:
    worker = start(wanted=WANT_PAUSE_APP)
    worker.acts_on(WANT_PAUSE_APP)
    client = worker.connect(opened=False)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    worker.want(0)
    until(lambda: worker.slot[wire.REFUSED] == 1)
    assert (worker.slot[wire.ACCEPTED], worker.log) == (0, [])
    worker.connect().echoes()


def test_15_nothing_leaks_over_a_thousand_sessions(start: Start) -> None:
    worker = start(max_sessions=8)
    for client in [worker.connect() for _ in range(8)]:  # a loop may keep threads and what belongs to them
        client.socket.close()
    worker.holds(0)
    before = (os.listdir(f"/proc/{worker.pid}/fd"), os.listdir(f"/proc/{worker.pid}/task"))
    for number in range(1000):
        client = worker.connect(opened=False)
        if number % 4 == 0:
            client.say("raise x")
        elif number % 4 == 1:
            client.say("later 100 x")
        elif number % 4 == 2:
            client.say("abort")
        client.socket.close()
    until(lambda: worker.slot[wire.CLOSED] == 1008)
    assert before == (os.listdir(f"/proc/{worker.pid}/fd"), os.listdir(f"/proc/{worker.pid}/task"))


def test_19_a_lost_doorbell_is_made_good_at_the_next_beat(start: Start) -> None:
    worker = start(heartbeat_interval_ns=20 * MS)
    worker.want(WANT_PAUSE_APP, ring=False)
    worker.acts_on(WANT_PAUSE_APP)
    worker.want(WANT_DRAIN, ring=False)
    assert worker.ended() == 0


def test_20_a_doorbell_hands_on_a_wake_up_that_another_swallowed(start: Start) -> None:
    worker = start(wanted=WANT_PAUSE_APP)
    worker.acts_on(WANT_PAUSE_APP)
    with select.epoll() as swallower:  # first in the listener's queue, since the worker registers after it
        swallower.register(worker.listeners[0], select.EPOLLIN | select.EPOLLEXCLUSIVE)
        worker.want(0)
        worker.acts_on(0)
        waiter = threading.Thread(target=swallower.poll, args=(10,))
        waiter.start()
        state = Path(f"/proc/self/task/{waiter.native_id}/stat")
        until(lambda: ") S " in state.read_text())
        client = worker.connect(opened=False)
        waiter.join()
        worker.channel.send(wire.pack(wire.Bell()))
        client.echoes()


@pytest.mark.parametrize(
    ("signum", "record"),
    [
        (signal.SIGINT, wire.Request("drain", "operator")),
        (signal.SIGTERM, wire.Request("drain", "operator")),
        (signal.SIGUSR1, wire.Request("pause", "operator")),
        (signal.SIGUSR2, wire.Request("resume", "operator")),
    ],
)
def test_21_a_signal_is_a_request_to_the_master(start: Start, signum: signal.Signals, record: wire.Record) -> None:
    worker = start()
    for ignored in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE):
        os.kill(worker.pid, ignored)
    os.kill(worker.pid, signum)
    assert worker.hear() == record
    worker.connect().echoes()


def test_23_system_exit_leaves_run(start: Start) -> None:
    worker = start()
    worker.connect().say("exit 7")
    assert worker.ended() == 7


def test_every_listener_is_served_and_every_end_has_its_name(start: Start, tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path)
    unix.listen()
    four = socket.create_server(("127.0.0.1", 0))
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    worker = start(listeners=[unix, four, six])
    for at, end in enumerate((path, "127.0.0.1:{}", "[::1]:{}")):
        client = worker.connect(at=at)
        if at:
            port, mine = worker.listeners[at].getsockname()[1], client.socket.getsockname()[1]
            expected = f"{end.format(mine)} {end.format(port)} {end.format(port)}"
        else:
            expected = f"unix: unix:{path} unix:{path}"
        client.say("names")
        client.hears(expected)


def test_accepted_connections_have_no_nagle(start: Start) -> None:
    worker = start()
    with socket.socket() as client:
        worker.want(WANT_PAUSE_APP)
        worker.acts_on(WANT_PAUSE_APP)
        client.connect(worker.listeners[0].getsockname())
        connection = accept(worker.listeners[0], socket.AF_INET)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        connection.close()


def test_24_a_listener_that_was_shut_down_is_left_alone_and_a_sweep_is_over(start: Start) -> None:
    worker = start()
    client = worker.connect()
    worker.listeners[0].shutdown(socket.SHUT_RD)
    client.echoes()
    until(lambda: worker.slot[wire.TURN_AT] == 0)
    beat = worker.slot[wire.HEARTBEAT]
    until(lambda: time.monotonic_ns() - beat > 50 * MS)
    assert worker.slot[wire.HEARTBEAT] == beat
    worker.want(WANT_DRAIN | WANT_SWEEP)
    client.is_over()
    assert worker.ended() == 0
    assert worker.slot[wire.REFUSED] == 0


def test_34_it_serves_so_many_sessions_and_no_more(start: Start) -> None:
    worker = start(max_served=3)
    clients = [worker.connect() for _ in range(3)]
    waiting = [worker.connect(opened=False) for _ in range(5)]
    for _ in range(5):
        worker.channel.send(wire.pack(wire.Bell()))
        clients[0].echoes()
    for client in clients:
        client.echoes()
        client.socket.close()
    worker.holds(0)
    worker.want(WANT_PAUSE_APP)
    worker.acts_on(WANT_PAUSE_APP)
    worker.want(0)
    worker.acts_on(0)
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.GATE]) == (3, wire.GATE_SPENT)
    assert not select.select([each.socket for each in waiting], [], [], 0)[0]


def test_34_the_master_is_rung_at_once_even_if_the_last_session_is_over_by_then(start: Start) -> None:
    worker = start(max_served=2)
    for number in (1, 2):
        client = worker.connect(opened=False)
        if number == 1:  # that sessions rise is told every 50 ms, and only while there is one
            assert wire.unpack(worker.channel.recv(wire.MAX_RECORD)) == wire.Bell()
        client.socket.close()
        worker.ends(number)
    assert wire.unpack(worker.channel.recv(wire.MAX_RECORD)) == wire.Bell()
    assert worker.slot[wire.GATE] == wire.GATE_SPENT


def test_34_a_sweep_takes_what_is_queued_in_spite_of_it(start: Start) -> None:
    worker = start(max_served=1, max_sessions=2)
    first = worker.connect()
    others = [worker.connect(opened=False) for _ in range(4)]
    for client in (first, *others):
        client.say("later 0.02 done")
    worker.want(WANT_DRAIN | WANT_SWEEP)
    for client in (first, *others):
        client.hears("done")
        client.is_over()
    worker.want(WANT_DRAIN)
    assert worker.ended() == 0
    assert worker.slot[wire.ACCEPTED] == 5
