"""The clauses about what a session asks of its conn, and an app of its worker."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

import pytest

from prefork import wire
from prefork.app.app import App
from prefork.app.framing import Lines
from prefork.app.session import Address, Session, WriteLimits
from prefork.testing.contract.scripted import Scripted, note
from prefork.wire import WANT_DRAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.worker import Worker as OwnWorker
    from prefork.testing.contract.harness import Workers


class Faucet(Session[str]):
    """Pours unasked; tells when it is asked to pause and to resume."""

    framer = Lines
    write_limits = WriteLimits(high=1000, low=100, hard=1 << 20)

    def received(self, line: str, /) -> None:
        for _ in range(int(line)):
            self.send("x" * 999)

    def pause_writing(self) -> None:
        note("pause")

    def resume_writing(self) -> None:
        note("resume")
        self.send("resumed")

    def closed(self, exc: BaseException | None, /) -> None:
        note(f"closed {type(exc).__name__}")


class Outlives(Session[str]):
    """Goes on after both ends of the connection are over."""

    framer = Lines

    def opened(self) -> None:
        self.conn.send_eof()

    def eof(self) -> None:
        self.conn.call_later(0.05, self.last)

    def last(self) -> None:
        note("outlived both")
        self.close()

    def closed(self, exc: BaseException | None, /) -> None:
        note(f"closed {exc}")


class Wrong(Session[str]):
    """Sets what is no framer."""

    framer = Lines

    def opened(self) -> None:
        self.conn.set_framer("lines")  # type: ignore[arg-type]


class ConnClauses:
    """26 to 30."""

    def test_26_a_paused_session_receives_nothing_and_holds_its_peer_up(self, start: Workers) -> None:
        worker = start()
        client, other = worker.connect(), worker.connect()
        client.say("pause")
        client.hears("paused")
        client.held_up()
        other.echoes()
        assert worker.sessions == 2
        worker.no_more_notes()

    def test_26_resumed_it_receives_first_what_was_read_before_then_the_rest_then_eof(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"pause 0.05\necho one\necho two\nec")
        client.socket.sendall(b"ho three\n")
        client.socket.shutdown(socket.SHUT_WR)
        client.hears("paused", "one", "two", "three")
        client.is_over()
        worker.noted("eof")
        worker.noted("closed NoneType")

    def test_26_a_drain_waits_for_a_paused_session(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"pause 0.05\n")
        client.hears("paused")
        client.say("echo after")
        worker.want(WANT_DRAIN)
        worker.noted("draining 30")
        client.hears("after")
        client.is_over()
        assert worker.ended() == 0

    def test_27_over_high_the_session_is_told_to_pause_and_down_to_low_to_resume(self, start: Workers) -> None:
        worker = start(Faucet)
        client = worker.connect(opened=False)
        client.say("10000")
        worker.noted("pause")
        client.hears(*["x" * 999] * 10000)
        worker.noted("resume")
        client.hears("resumed")
        worker.no_more_notes()

    def test_27_what_is_sent_over_the_hard_limit_ends_the_session_with_its_reason(self, start: Workers) -> None:
        worker = start(Faucet)
        client, other = worker.connect(opened=False), worker.connect(opened=False)
        client.say("10000")
        worker.noted("pause")
        client.say("1")
        worker.noted("closed WriteLimitError")
        other.say("1")
        other.hears("x" * 999)
        (line,) = worker.log
        assert line.startswith("session with 127.0.0.1:")
        assert line.endswith(" bytes wait for the peer, over the hard limit (1048576)")
        assert worker.slot[wire.ERRORS] == 0

    def test_27_by_default_a_peer_that_asks_and_does_not_read_is_held_up_and_loses_nothing(
        self, start: Workers
    ) -> None:
        worker = start()
        client, other = worker.connect(), worker.connect()
        client.say("pour 10000")
        other.echoes()
        client.socket.sendall(b"".join(b"echo %d\n" % number for number in range(1000)))
        other.echoes()
        client.hears_pour(10000)
        client.hears(*map(str, range(1000)))

    def test_28_another_framer_holds_from_the_next_item_on(self, start: Workers) -> None:
        client = start().connect()
        client.socket.sendall(b"echo a\nstream\nabcdelinesecho b\necho")
        client.socket.sendall(b" c\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.rest() == b"a\nabcde|lines|b\nc\n"

    def test_28_set_outside_of_received_it_gets_what_was_read_meanwhile(self, start: Workers) -> None:
        client = start().connect()
        client.socket.sendall(b"later_stream\nabcde")
        assert client.socket.recv(100) == b"abcde|"
        client.socket.sendall(b"linesecho x\n")
        client.hears("lines|x")

    def test_28_what_is_no_framer_ends_the_session_as_its_own_error(self, start: Workers) -> None:
        worker = start(Wrong)
        worker.connect(opened=False).is_over()
        assert worker.log[0].partition(" ended by ")[2].startswith("TypeError: framer 'lines' is no Framer")

    def test_29_after_send_eof_the_peer_reads_the_end_and_may_still_send(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.say("eof the last")
        client.hears("the last")
        client.is_over()
        client.say("close")
        worker.noted("closed RuntimeError")  # do_close sends

    def test_29_send_eof_waits_for_a_slow_reader(self, start: Workers) -> None:
        client = start().connect()
        client.socket.sendall(b"pour 10000\neof end\n")
        client.hears_pour(10000)
        client.hears("end")
        client.is_over()

    def test_29_a_session_may_outlive_both_ends(self, start: Workers) -> None:
        worker = start(Outlives)
        worker.connect(opened=False).socket.shutdown(socket.SHUT_WR)
        worker.noted("outlived both")
        worker.noted("closed None")

    def test_30_offload_runs_in_a_thread_and_then_where_callbacks_run(self, start: Workers) -> None:
        client = start().connect()
        for word in ("one", "two"):
            client.say(f"offload {word}")
            client.hears(f"{word} False")
        client.say("offload_then")
        client.hears("True")

    def test_30_the_loop_serves_others_meanwhile(self, start: Workers) -> None:
        worker = start()
        client, other = worker.connect(), worker.connect()
        client.say("offload_latch done")
        worker.noted("blocked")
        other.echoes()
        worker.unlatch()
        client.hears("done")

    @pytest.mark.parametrize(
        ("line", "error"),
        [
            ("offload_raise it failed", "ValueError: it failed"),
            ("offload_exit", "RuntimeError: a thread of offload() ended by SystemExit(3)"),
        ],
    )
    def test_30_its_exception_ends_the_session_alone(self, start: Workers, line: str, error: str) -> None:
        worker = start()
        client, other = worker.connect(), worker.connect()
        client.say(line)
        client.is_over()
        other.echoes()
        worker.holds(1)
        assert worker.log[0].partition(" ended by ")[2] == error

    def test_30_a_drain_waits_for_it(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.say("offload_latch finished")
        worker.noted("blocked")
        worker.want(WANT_DRAIN)
        worker.noted("draining 30")
        worker.unlatch()
        client.hears("finished")
        client.is_over()
        assert worker.ended() == 0

    def test_30_the_end_of_the_session_drops_the_result(self, start: Workers) -> None:
        worker = start()
        client, other = worker.connect(), worker.connect()
        client.say("offload_latch never")
        client.say("close")
        client.hears("bye")
        client.is_over()
        worker.unlatch()
        for _ in range(3):
            other.say("offload later")
            other.hears("later False")
        assert worker.log == []

    def test_35_a_held_session_is_not_idle_until_it_is_released(self, start: Workers) -> None:
        worker = start()
        held, other = worker.connect(), worker.connect()
        held.say("hold")
        held.hears("held")
        other.socket.sendall(b"echo a\nrelea")
        other.hears("a")
        worker.want(WANT_DRAIN)
        worker.noted("draining 30", "draining 30")
        other.socket.sendall(b"se\n")
        for each in (held, other):
            each.is_over()
        assert worker.ended() == 0


class AppClauses:
    """31 to 33."""

    def test_31_admit_refuses_before_a_session_exists(self, start: Workers) -> None:
        asked: list[Address] = []

        def admit(peer: Address, listener: Address) -> bool:
            note(f"admit {peer.host} at {listener.host}")
            asked.append(peer)
            if len(asked) == 2:
                raise ValueError("cannot tell")
            return len(asked) != 1

        worker = start(App(Scripted, admit=admit))
        for _ in range(2):
            worker.connect(opened=False).is_over()
            worker.noted("admit 127.0.0.1 at 127.0.0.1")
        worker.connect(opened=False).echoes()
        assert (worker.slot[wire.ACCEPTED], worker.slot[wire.REFUSED]) == (1, 2)
        (line,) = worker.log
        assert line.startswith("admit() of 127.0.0.1:")
        assert line.endswith(" raised ValueError: cannot tell")

    def test_32_started_comes_before_ready_and_stopping_after_the_last_session(self, start: Workers) -> None:
        worker = start(App(Scripted, started=_tells("started"), stopping=_tells("stopping")))
        assert select.select([worker.notes], [], [], 0)[0], "READY was read, and started said nothing"
        worker.noted("started 1 test 0")
        client = worker.connect()
        client.echoes()
        client.socket.sendall(b"part")
        worker.rests()
        worker.want(WANT_DRAIN)
        worker.noted("draining 30")
        client.say("")
        worker.noted("closed AttributeError")
        worker.noted("stopping 1 test 0")
        assert worker.ended() == 0

    def test_32_started_that_raises_leaves_run_before_ready(self, start: Workers) -> None:
        worker = start(App(Scripted, started=_fails), ready=False)
        assert worker.ended() == 70
        assert worker.hear() is None

    def test_32_stopping_that_raises_is_logged_and_the_worker_ends_all_the_same(self, start: Workers) -> None:
        worker = start(App(Scripted, stopping=_fails))
        worker.want(WANT_DRAIN)
        assert worker.ended() == 0
        assert worker.log == ["stopping() raised ValueError: no database"]

    def test_33_what_the_app_asks_of_worker_and_server_reaches_the_master(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.say("pause_worker\ndrain\nstop\nwho")
        heard = [worker.hear() for _ in range(4)]
        assert heard == [wire.Request(act, "app") for act in ("pause", "resume", "drain", "stop")]
        client.hears("1 test 1 test")


def _tells(what: str) -> Callable[[OwnWorker], None]:
    return lambda worker: note(f"{what} {worker.id} {worker.name} {worker.sessions}")


def _fails(_worker: OwnWorker) -> None:
    raise ValueError("no database")
