"""The clauses about a worker's life: birth, wishes, drain, requests, death."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from typing import ClassVar

import pytest

from prefork import wire
from prefork.testing.contract.client import dial, listen
from prefork.testing.contract.harness import MS, Workers
from prefork.testing.contract.waiting import elapse, until
from prefork.wire import WANT_DRAIN, WANT_PAUSE_APP, WANT_PAUSE_OPERATOR, WANT_RETIRE, WANT_SWEEP


class LifeClauses:
    """01, 02, 04 to 08, 19, 21, 23."""

    threaded: ClassVar[bool]

    # -- birth and wishes ----------------------------------------------------------------------------------------------

    def test_01_ready_comes_before_the_first_accept_so_that_a_wish_already_there_is_obeyed(
        self, start: Workers
    ) -> None:
        listener = listen()
        with dial(listener):
            worker = start(wanted=WANT_PAUSE_OPERATOR, listeners=[listener])  # start() reads READY
            worker.acts_on(WANT_PAUSE_OPERATOR)
            worker.want(WANT_PAUSE_OPERATOR | WANT_PAUSE_APP)
            worker.acts_on(WANT_PAUSE_OPERATOR | WANT_PAUSE_APP)
            assert worker.slot[wire.ACCEPTED] == 0
            worker.want(0)
            worker.holds(1)

    def test_02_a_paused_worker_accepts_nothing_and_serves_on_until_it_is_resumed(self, start: Workers) -> None:
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

    def test_02_in_the_turn_that_reads_the_doorbell_nothing_is_accepted_any_more(self, start: Workers) -> None:
        worker = start()
        old = worker.connect()
        with worker.frozen():
            worker.connect(opened=False)
            worker.want(WANT_PAUSE_APP)
        worker.acts_on(WANT_PAUSE_APP)
        old.echoes()
        assert worker.slot[wire.ACCEPTED] == 1

    def test_04_told_to_retire_it_ends_without_a_session_and_declines_with_one(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        worker.want(WANT_RETIRE | 1 << wire.WANT_SERIAL_SHIFT)
        assert worker.hear() == wire.Declined()
        client.echoes()
        worker.want(0)
        client.socket.close()
        worker.holds(0)
        worker.want(WANT_RETIRE | 2 << wire.WANT_SERIAL_SHIFT)  # it may not have seen the bit fall
        assert worker.ended() == 0
        assert worker.hear() is None

    def test_04_asked_again_it_answers_again_even_if_the_bit_never_fell(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        worker.want(WANT_RETIRE | 1 << wire.WANT_SERIAL_SHIFT)
        assert worker.hear() == wire.Declined()
        client.socket.close()
        worker.holds(0)
        worker.want(WANT_RETIRE | 2 << wire.WANT_SERIAL_SHIFT)
        assert worker.ended() == 0

    def test_19_a_lost_doorbell_is_made_good_at_the_next_beat(self, start: Workers) -> None:
        worker = start(heartbeat_interval_ns=20 * MS)
        worker.want(WANT_PAUSE_APP, ring=False)
        worker.acts_on(WANT_PAUSE_APP)
        worker.want(WANT_DRAIN, ring=False)
        assert worker.ended() == 0

    # -- drain ---------------------------------------------------------------------------------------------------------

    def test_05_a_drain_closes_idle_sessions_at_once_and_the_others_when_they_are_idle(self, start: Workers) -> None:
        worker = start()
        idle, cut, later = (worker.connect() for _ in range(3))
        for each in (idle, cut, later):
            each.echoes()
        cut.socket.sendall(b"echo cut sh")
        later.say("later 0.2 echo done")
        idle.echoes()
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 20_450 * MS)
        idle.is_over()
        worker.noted("closed NoneType", "draining 20", "draining 20")
        later.hears("done")
        later.is_over()
        cut.socket.sendall(b"ort\n")
        cut.hears("cut short")
        cut.is_over()
        assert worker.ended() == 0
        worker.noted("closed NoneType", "closed NoneType")
        worker.no_more_notes()

    def test_05_while_it_drains_nothing_is_accepted(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho cut sh")
        client.hears("a")
        worker.want(WANT_DRAIN)
        worker.acts_on(WANT_DRAIN)
        with dial(worker.listeners[0]):
            worker.ring()
            client.socket.sendall(b"ort\n")
            client.hears("cut short")
            assert worker.ended() == 0
        assert worker.slot[wire.ACCEPTED] == 1

    def test_05_what_the_kernel_holds_when_a_drain_begins_is_answered(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.echoes()
        with worker.frozen():
            worker.want(WANT_DRAIN)
            client.say("echo in time")
        client.hears("in time")
        client.is_over()
        assert worker.ended() == 0

    def test_05_so_is_more_of_it_than_one_read_gives(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.echoes()
        line, lines = f"echo {'x' * 58}\n".encode(), 3000  # so that each read, of a power of two bytes, ends a line
        with worker.frozen():
            worker.want(WANT_DRAIN)
            client.socket.sendall(line * lines)
        assert client.rest().count(b"\n") == lines
        assert worker.ended() == 0

    def test_05_a_session_just_opened_may_still_send_its_request(self, start: Workers) -> None:
        worker = start()
        with worker.frozen():
            client = worker.connect(opened=False)
            worker.want(WANT_DRAIN | WANT_SWEEP)
        worker.acts_on(WANT_DRAIN | WANT_SWEEP)
        client.say("echo in time")
        client.hears("in time")
        client.is_over()
        worker.want(WANT_DRAIN)
        assert worker.ended() == 0

    def test_05_what_a_slow_reader_has_not_read_yet_is_sent_before_the_worker_ends(self, start: Workers) -> None:
        worker = start()
        slow, other = worker.connect(), worker.connect()
        slow.say("pour 10000")
        other.echoes()
        worker.want(WANT_DRAIN)
        worker.noted("closed NoneType", "draining 30")
        other.is_over()
        slow.hears_pour(10000)
        slow.is_over()
        assert worker.ended() == 0

    def test_06_who_is_not_idle_by_the_deadline_is_ended(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
        worker.noted("draining 0")
        worker.noted("closed DrainTimeoutError")
        client.is_reset()
        assert worker.ended() == 0

    def test_06_without_a_deadline_in_the_slot_drain_timeout_holds(self, start: Workers) -> None:
        worker = start(drain_timeout_ns=50 * MS)
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN)
        worker.noted("draining 0")
        worker.noted("closed DrainTimeoutError")
        assert worker.ended() == 0

    def test_06_a_deadline_may_be_moved_earlier(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho never finish")
        client.hears("a")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 20_450 * MS)
        worker.noted("draining 20")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
        worker.noted("closed DrainTimeoutError")
        assert worker.ended() == 0

    def test_06_a_callback_that_does_not_return_prolongs_nothing(self, start: Workers) -> None:
        beat = 5000 if self.threaded else 50
        worker = start(heartbeat_interval_ns=10 * MS, heartbeat_timeout_ns=beat * MS, drain_timeout_ns=50 * MS)
        worker.connect().say("block")
        worker.noted("blocked")
        worker.channel.close()
        assert worker.ended() == (0 if self.threaded else -signal.SIGALRM)

    def test_07_a_sweep_serves_what_is_queued_until_the_master_ends_it(self, start: Workers) -> None:
        worker = start(wanted=WANT_PAUSE_APP, max_sessions=3)
        clients = [worker.connect(opened=False) for _ in range(10)]
        for client in clients:
            client.say("echo served")
        worker.want(WANT_DRAIN | WANT_SWEEP)
        for client in clients:
            client.hears("served")
            client.is_over()
        with worker.frozen():  # or a test that gets no CPU would be told apart from a client that says nothing
            late = worker.connect(opened=False)  # its handshake was under way when the drain began
            late.say("echo late")
        late.hears("late")
        worker.want(WANT_DRAIN)
        assert worker.ended() == 0
        assert worker.slot[wire.ACCEPTED] == 11

    def test_07_a_sweep_goes_on_when_a_full_worker_has_a_free_place(self, start: Workers) -> None:
        worker = start(max_sessions=1)
        clients = [worker.connect(), *(worker.connect(opened=False) for _ in range(3))]
        for client in clients:
            client.say("later 0.02 echo done")
        worker.want(WANT_DRAIN | WANT_SWEEP)
        for client in clients:
            client.hears("done")
            client.is_over()
        worker.want(WANT_DRAIN)
        assert worker.ended() == 0
        assert worker.slot[wire.ACCEPTED] == 4

    def test_06_a_worker_that_waits_for_a_blocked_session_after_it_sleeps(self, start: Workers) -> None:
        worker = start()
        worker.connect().say("block")
        worker.noted("blocked")
        worker.want(WANT_DRAIN, by=time.monotonic_ns() + 10 * MS)
        elapse(20 * MS)
        cpu = worker.cpu_ns
        elapse(100 * MS)
        assert worker.cpu_ns - cpu < 25 * MS
        worker.unlatch()
        assert worker.ended() == 0

    # -- the master's death --------------------------------------------------------------------------------------------

    def test_08_when_the_channel_ends_an_idle_worker_is_gone(self, start: Workers) -> None:
        worker = start()
        worker.channel.close()
        assert worker.ended() == 0

    def test_08_when_the_channel_ends_the_port_is_free_and_sessions_drain(self, start: Workers) -> None:
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

    def test_08_unread_records_do_not_hide_the_end_of_the_channel(self, start: Workers) -> None:
        worker = start()
        os.kill(worker.pid, signal.SIGUSR1)
        until(lambda: select.select([worker.channel], [], [], 0)[0])
        worker.channel.close()
        assert worker.ended() == 0

    def test_08_an_orphan_that_does_not_end_dies_of_its_interval_timer(self, start: Workers) -> None:
        worker = start(heartbeat_interval_ns=20 * MS, heartbeat_timeout_ns=200 * MS, drain_timeout_ns=100 * MS)
        worker.connect().say("block")
        worker.noted("blocked")
        worker.channel.close()
        assert worker.ended() == -signal.SIGALRM

    # -- signals and exits ---------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("signum", "record"),
        [
            (signal.SIGINT, wire.Request("drain", "operator")),
            (signal.SIGTERM, wire.Request("drain", "operator")),
            (signal.SIGUSR1, wire.Request("pause", "operator")),
            (signal.SIGUSR2, wire.Request("resume", "operator")),
        ],
    )
    def test_21_a_signal_is_a_request_to_the_master(
        self, start: Workers, signum: signal.Signals, record: wire.Record
    ) -> None:
        worker = start()
        for ignored in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE):
            os.kill(worker.pid, ignored)
        os.kill(worker.pid, signum)
        assert worker.hear() == record
        worker.connect().echoes()

    @pytest.mark.parametrize("words", ["exit 7", "later 0.01 exit 7", "offload_then_exit 7"])
    def test_23_system_exit_leaves_run(self, start: Workers, words: str) -> None:
        worker = start()
        worker.connect().say(words)
        assert worker.ended() == 7
