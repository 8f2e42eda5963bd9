"""The clauses about accepting: the cap, figures, trouble at the listener, and what is left of a session."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
from collections import Counter
from pathlib import Path

from prefork import wire
from prefork.backends.offload import MOST_THREADS, most_threads
from prefork.testing.contract.client import Client, listen
from prefork.testing.contract.harness import MS, Worker, Workers
from prefork.testing.contract.scripted import Scripted
from prefork.testing.contract.waiting import elapse, until
from prefork.wire import WANT_DRAIN, WANT_PAUSE_APP, WANT_SWEEP

CROWD = 120
SESSIONS = 1000
LIVES = ("raise x", "later 100 echo x", "abort", "close", "pour 3", "offload x")
LEAK = 100
"""Objects of one type. Of the thousand sessions each way of ending has more."""


class Crowd(Scripted):
    """Knows how many of its kind ever lived at once."""

    alive: set[Crowd] = set()  # noqa: RUF012 - one worker's
    most = 0

    def opened(self) -> None:
        self.alive.add(self)
        Crowd.most = max(Crowd.most, len(self.alive))

    def closed(self, _exc: BaseException | None, /) -> None:
        self.alive.discard(self)

    def do_most(self, _rest: str) -> None:
        self.send(str(Crowd.most))


class AcceptClauses:
    """03, 10, 13 to 15, 20, 24."""

    def test_03_the_cap_is_exact(self, start: Workers) -> None:
        worker = start(max_sessions=2)
        clients = [worker.connect(), worker.connect()]
        waiting = [worker.connect(opened=False) for _ in range(20)]
        for _ in range(10):
            worker.ring()
            clients[0].echoes()
        assert (worker.slot[wire.ACCEPTED], worker.slot[wire.GATE]) == (2, wire.GATE_FULL)
        clients[1].socket.close()
        waiting[0].echoes()
        clients[0].echoes()
        assert (worker.slot[wire.ACCEPTED], worker.sessions) == (3, 2)

    def test_03_it_is_exact_while_sessions_come_and_go(self, start: Workers) -> None:
        worker = start(Crowd, max_sessions=3)
        clients = [worker.connect(opened=False) for _ in range(CROWD)]
        for number, client in enumerate(clients):
            client.say("close" if number % 2 else "later 0.001 close")
        for client in clients:
            client.hears("bye")
            client.is_over()
        last = worker.connect(opened=False)
        last.say("most")
        last.hears("3")

    def test_10_figures_are_true_at_once(self, start: Workers) -> None:
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

    def test_10_the_master_is_rung_when_sessions_rise_and_not_for_each_of_them(self, start: Workers) -> None:
        worker = start()
        began = time.monotonic()
        clients = [worker.connect() for _ in range(30)]
        worker.holds(30)
        worker.rings()
        for client in clients:
            client.echoes()
        worker.channel.setblocking(False)
        rings = 1
        with contextlib.suppress(BlockingIOError):
            while worker.channel.recv(wire.MAX_RECORD):
                rings += 1
        assert rings <= 2 + (time.monotonic() - began) / 0.05

    def test_13_out_of_files_it_waits_and_goes_on_when_one_is_free(self, start: Workers) -> None:
        worker = start(files=4)
        first = worker.connect()
        began = time.monotonic()
        waiting = [worker.connect(opened=False) for _ in range(6)]
        until(lambda: worker.slot[wire.GATE] & wire.GATE_BACKOFF, "a back-off")
        cpu = worker.cpu_ns
        elapse(300 * MS)
        assert worker.cpu_ns - cpu < 100 * MS, "it tries again and again"
        held = worker.sessions  # now: at first what the loop opens for a moment may have been in the way
        assert 0 < held < 7
        assert len(worker.log) <= 1 + (time.monotonic() - began)
        assert worker.log[0].startswith("can't accept: Too many open files; ")
        first.echoes()
        first.socket.close()
        waiting[0].socket.close()
        until(
            lambda: worker.slot[wire.ACCEPTED] == held + 2,
            lambda: f"{worker.slot[wire.ACCEPTED]} of {held + 2} accepted",
        )

    def test_14_a_connection_reset_before_its_accept_is_counted(self, start: Workers) -> None:
        worker = start(wanted=WANT_PAUSE_APP)
        worker.acts_on(WANT_PAUSE_APP)
        worker.connect(opened=False).resets()
        worker.want(0)
        until(lambda: worker.slot[wire.REFUSED] == 1, "REFUSED == 1")
        assert (worker.slot[wire.ACCEPTED], worker.log) == (0, [])
        worker.connect().echoes()

    def test_15_nothing_leaks_over_a_thousand_sessions(self, start: Workers) -> None:
        worker = start(max_sessions=len(LIVES))
        for client, life in zip([worker.connect() for _ in LIVES], LIVES, strict=True):  # imports, and all at once
            client.say(life)
            client.socket.close()
        worker.ends(len(LIVES))
        objects, descriptors, threads = _objects(worker), worker.descriptors, worker.threads
        before = len(LIVES) + 1
        worker.ends(before)
        for number in range(SESSIONS):
            client = worker.connect(opened=False)
            client.say(LIVES[number % len(LIVES)])
            client.socket.close()
            if number % 50 == 0:
                worker.ends(before + number + 1)
        worker.ends(before + SESSIONS)
        until(
            lambda: worker.descriptors <= descriptors,
            lambda: f"{descriptors} descriptors; {worker.descriptors} are open",
        )
        assert worker.threads <= threads + most_threads()
        assert {name: more for name, more in (_objects(worker) - objects).items() if more >= LEAK} == {}

    def test_15_threads_of_offload_are_bounded_and_used_again(self, start: Workers) -> None:
        worker = start()
        clients = [worker.connect() for _ in range(MOST_THREADS + 8)]
        before, most = worker.threads, most_threads()
        for client in clients:
            client.say("offload_latch done")
        worker.noted(*["blocked"] * most)
        assert worker.threads <= before + most
        for _ in clients:
            worker.unlatch()
        for client in clients:
            client.hears("done")

    def test_20_a_doorbell_hands_on_a_wake_up_that_another_swallowed(self, start: Workers) -> None:
        worker = start(wanted=WANT_PAUSE_APP)
        worker.acts_on(WANT_PAUSE_APP)
        with select.epoll() as swallower:  # first in the listener's queue, since the worker registers after it
            swallower.register(worker.listeners[0], select.EPOLLIN | select.EPOLLEXCLUSIVE)
            worker.want(0)
            worker.acts_on(0)
            waiter = threading.Thread(target=swallower.poll, args=(10,))
            waiter.start()
            state = Path(f"/proc/self/task/{waiter.native_id}/stat")
            until(lambda: ") S " in state.read_text(), "the swallower waits")
            client = worker.connect(opened=False)
            waiter.join()
            worker.ring()
            client.echoes()

    def test_24_a_listener_that_was_shut_down_is_left_alone_and_the_others_are_not(self, start: Workers) -> None:
        worker = start(listeners=[listen(), listen()])
        client = worker.connect(at=1)
        worker.rings()
        worker.rests()
        before = worker.slot[wire.HEARTBEAT]
        worker.listeners[0].shutdown(socket.SHUT_RD)
        until(lambda: worker.slot[wire.HEARTBEAT] > before, "the serving loop sees it")
        client.echoes()
        worker.rests()
        beat, cpu = worker.slot[wire.HEARTBEAT], worker.cpu_ns
        elapse(60 * MS)
        assert worker.slot[wire.HEARTBEAT] == beat
        assert worker.cpu_ns - cpu < 30 * MS, "it looks at it again and again"
        assert worker.slot[wire.REFUSED] == 0
        worker.connect(at=1).echoes()

    def test_24_when_all_are_shut_down_a_sweep_is_over(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.socket.sendall(b"echo a\necho cut sh")
        client.hears("a")
        worker.want(WANT_DRAIN | WANT_SWEEP)
        worker.acts_on(WANT_DRAIN | WANT_SWEEP)
        worker.listeners[0].shutdown(socket.SHUT_RD)
        worker.acts_on(WANT_DRAIN)
        client.socket.sendall(b"ort\n")
        client.hears("cut short")
        client.is_over()
        assert worker.ended() == 0

    def test_24_a_sweep_that_begins_afterwards_is_over_at_once(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        worker.listeners[0].shutdown(socket.SHUT_RD)
        client.echoes()
        worker.want(WANT_DRAIN | WANT_SWEEP)
        client.is_over()
        assert worker.ended() == 0

    def test_every_listener_is_served_and_every_end_has_its_name(self, start: Workers, tmp_path: Path) -> None:
        unix, path = socket.socket(socket.AF_UNIX), str(tmp_path / "x.sock")
        unix.bind(path)
        unix.listen()
        worker = start(listeners=[unix, listen(), *_on_ipv6()])
        _says_its_names(worker.connect(at=0), f"unix: unix:{path} unix:{path}")
        for at, listener in enumerate(worker.listeners[1:], 1):
            client = worker.connect(at=at)
            host = "[::1]" if listener.family == socket.AF_INET6 else "127.0.0.1"
            mine, port = (each.getsockname()[1] for each in (client.socket, listener))
            _says_its_names(client, f"{host}:{mine} {host}:{port} {host}:{port}")

    # -- a life's end --------------------------------------------------------------------------------------------------

    def test_34_it_serves_so_many_sessions_and_no_more(self, start: Workers) -> None:
        worker = start(max_served=3)
        clients = [worker.connect() for _ in range(3)]
        waiting = [worker.connect(opened=False) for _ in range(5)]
        for _ in range(5):
            worker.ring()
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

    def test_34_the_master_is_rung_at_once_even_if_the_last_session_is_over_by_then(self, start: Workers) -> None:
        worker = start(max_served=2)
        for number in (1, 2):
            client = worker.connect(opened=False)
            if number == 1:  # that sessions rise is told every 50 ms, and only while there is one
                assert wire.unpack(worker.channel.recv(wire.MAX_RECORD)) == wire.Bell()
            client.socket.close()
            worker.ends(number)
        assert wire.unpack(worker.channel.recv(wire.MAX_RECORD)) == wire.Bell()
        assert worker.slot[wire.GATE] == wire.GATE_SPENT

    def test_34_a_sweep_takes_what_is_queued_in_spite_of_it(self, start: Workers) -> None:
        worker = start(max_served=1, max_sessions=2)
        first = worker.connect()
        others = [worker.connect(opened=False) for _ in range(4)]
        for client in (first, *others):
            client.say("later 0.02 echo done")
        worker.want(WANT_DRAIN | WANT_SWEEP)
        for client in (first, *others):
            client.hears("done")
            client.is_over()
        worker.want(WANT_DRAIN)
        assert worker.ended() == 0
        assert worker.slot[wire.ACCEPTED] == 5


def _objects(worker: Worker) -> Counter[str]:
    """How many objects of each type it holds beyond those it was born with, while it serves one session."""
    client = worker.connect(opened=False)
    client.say("objects")
    counted: Counter[str] = Counter(json.loads(client.line()))
    client.say("close")
    client.hears("bye")
    client.is_over()
    return counted


def _on_ipv6() -> list[socket.socket]:
    """A listener, where the machine has IPv6."""
    try:
        return [socket.create_server(("::1", 0), family=socket.AF_INET6)]
    except OSError:
        return []


def _says_its_names(client: Client, names: str) -> None:
    client.say("names")
    client.hears(names)
