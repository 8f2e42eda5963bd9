"""`def handle(sock)` on every loop: a thread a session, counted, capped and drained as any other session is."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork import App, wire
from prefork.testing.contract.client import Client, dial
from prefork.testing.contract.harness import MS, Worker, Workers
from prefork.testing.contract.scripted import INSIDE, block, is_main, note
from prefork.testing.contract.tls_client import certificates
from prefork.testing.contract.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prefork import Address
    from prefork.tls import TlsSettings

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "selectors": ("selectors", {}),
    "asyncio": ("asyncio", {"loop": "asyncio"}),
    "uvloop": ("asyncio", {"loop": "uvloop"}),
    "threads": ("threads", {}),
    "gevent": ("gevent", {}),
}


@pytest.fixture(params=LOOPS)
def start(request: pytest.FixtureRequest) -> Iterator[Workers]:
    backend, options = LOOPS[request.param]
    with Workers(backend, options) as start:
        yield start


@pytest.fixture(params=["selectors", "asyncio", "uvloop", "threads"])
def two_threads(request: pytest.FixtureRequest) -> Iterator[Workers]:
    backend, options = LOOPS[request.param]
    with Workers(backend, {**options, "max_threads": 2}) as start:
        yield start


def echo(sock: socket.socket) -> None:
    """Say so, and send back what comes, to the end of input."""
    note("opened")
    while data := sock.recv(65536):
        sock.sendall(data)
    note("eof")


def meet(worker: Worker, *, opened: bool = True) -> Client:
    client = worker.connect(opened=False)
    if opened:
        worker.noted("opened")
    return client


def echoes(client: Client) -> None:
    client.say("hello")
    client.hears("hello")


# -- the socket --------------------------------------------------------------------------------------------------------


def tells(sock: socket.socket) -> None:
    assert isinstance(sock, socket.socket)
    assert sock.gettimeout() is None
    with sock.makefile("rw", encoding="utf-8", newline="\n") as file:
        for line in file:
            file.write(f"{line.strip()} {sock.getpeername()[1]} {is_main()}\n")
            file.flush()


def test_a_handler_gets_a_socket_that_blocks_and_has_a_thread(start: Workers) -> None:
    worker = start(App(tells))
    client = meet(worker, opened=False)
    client.say("you are")
    client.hears(f"you are {client.socket.getsockname()[1]} False")
    assert worker.sessions == 1


def leaves_unread(sock: socket.socket) -> None:
    sock.recv(1)
    sock.sendall(b"x" * 100_000)
    note("returns")


def test_what_was_sent_before_the_return_arrives_though_not_all_was_read(start: Workers) -> None:
    worker = start(App(leaves_unread))
    client = meet(worker, opened=False)
    client.socket.sendall(b"y" * 20_000)
    worker.noted("returns")
    assert len(client.rest()) == 100_000
    worker.ends(1)


def closes(sock: socket.socket) -> None:
    sock.sendall(b"bye\n")
    sock.close()
    note("closed")
    block()


def test_a_handler_may_close_its_socket_and_go_on(start: Workers) -> None:
    worker = start(App(closes))
    client = meet(worker, opened=False)
    worker.noted("closed", "blocked")
    assert client.rest() == b"bye\n"
    assert worker.sessions == 1
    worker.unlatch()
    worker.ends(1)


def gives_away(sock: socket.socket) -> None:
    sock.detach()


def test_a_socket_that_was_given_away_is_left_alone(start: Workers) -> None:
    worker = start(App(gives_away))
    client = meet(worker, opened=False)
    worker.ends(1)
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.socket.recv(1)
    assert worker.log == []


# -- isolation ---------------------------------------------------------------------------------------------------------


def fails(sock: socket.socket) -> None:
    note("opened")
    word = sock.recv(100).decode().strip()
    sock.sendall(b"sorry\n")
    raise {"value": ValueError, "refused": ConnectionRefusedError, "exit": SystemExit}[word](7)


def test_an_exception_ends_that_session_alone_and_is_logged_once_with_the_peer(start: Workers) -> None:
    worker = start(App(fails))
    other, client = meet(worker), meet(worker)
    host, port = client.socket.getsockname()
    client.say("value")
    assert client.rest() == b"sorry\n"
    until(lambda: worker.slot[wire.ERRORS] == 1)
    worker.ends(1)
    assert [line for line in worker.log if f"session with {host}:{port} ended by ValueError: 7" in line] == worker.log
    other.say("value")
    other.hears("sorry")


def test_a_connection_error_that_is_not_of_the_peer_is_an_error(start: Workers) -> None:
    worker = start(App(fails))
    client = meet(worker)
    client.say("refused")
    client.hears("sorry")
    until(lambda: worker.slot[wire.ERRORS] == 1)
    assert "ended by ConnectionRefusedError" in worker.log[0]


def test_a_peer_that_resets_is_one_line_and_no_error(start: Workers) -> None:
    worker = start(App(echo))
    client = meet(worker)
    echoes(client)
    client.resets()
    worker.ends(1)
    assert ["ended: ConnectionResetError" in line for line in worker.log] == [True]
    assert worker.slot[wire.ERRORS] == 0


def test_system_exit_ends_the_worker(start: Workers) -> None:
    worker = start(App(fails))
    meet(worker).say("exit")
    assert worker.ended() == 7


# -- how many ----------------------------------------------------------------------------------------------------------


def test_as_many_threads_as_there_may_be_hold_as_many_sessions(two_threads: Workers) -> None:
    worker = two_threads(App(echo))
    first, _second = meet(worker), meet(worker)
    third = meet(worker, opened=False)
    until(lambda: worker.slot[wire.GATE] == wire.GATE_FULL)
    worker.ring()
    echoes(first)
    assert worker.slot[wire.ACCEPTED] == 2
    first.socket.close()
    worker.noted("eof", "opened")
    echoes(third)
    assert worker.sessions == 2
    assert worker.threads <= 4  # its own, two of the crew, and one that a loop may have


def test_the_session_cap_is_exact(start: Workers) -> None:
    worker = start(App(echo), max_sessions=1)
    first = meet(worker)
    second = meet(worker, opened=False)
    worker.ring()
    echoes(first)
    assert worker.slot[wire.ACCEPTED] == 1
    first.socket.shutdown(socket.SHUT_WR)
    first.is_over()
    echoes(second)
    assert worker.slot[wire.ACCEPTED] == 2


def test_the_life_is_exact(start: Workers) -> None:
    worker = start(App(echo), max_served=2)
    clients = [meet(worker, opened=False) for _ in range(3)]
    worker.noted("opened", "opened")
    until(lambda: worker.slot[wire.GATE] & wire.GATE_SPENT)
    echoes(clients[0])
    worker.ring()
    echoes(clients[1])
    assert worker.slot[wire.ACCEPTED] == 2


def few_threads(_worker: object) -> None:
    """Refuse more than two, as the system does at its limit."""
    begin = threading.Thread.start

    def begin_or_refuse(thread: threading.Thread) -> None:
        if threading.active_count() > 2:
            raise RuntimeError("can't start new thread")
        begin(thread)

    threading.Thread.start = begin_or_refuse  # type: ignore[method-assign,assignment]


def test_out_of_threads_it_accepts_nobody_and_goes_on_when_one_is_free(two_threads: Workers) -> None:
    worker = two_threads(App(echo, started=few_threads), max_sessions=2)
    first, second = meet(worker), meet(worker)
    third = meet(worker, opened=False)
    first.socket.close()
    worker.noted("eof", "opened")
    echoes(third)
    echoes(second)


def nobody_twice(peer: Address, _listener: Address) -> bool:
    """One in two."""
    SEEN.append(peer)
    return len(SEEN) % 2 == 1


SEEN: list[Address] = []


def test_who_is_not_admitted_is_closed_without_a_session(start: Workers) -> None:
    worker = start(App(echo, admit=nobody_twice))
    clients = [meet(worker), meet(worker, opened=False), meet(worker)]
    clients[1].is_over()
    echoes(clients[2])
    assert (worker.slot[wire.ACCEPTED], worker.slot[wire.REFUSED]) == (2, 1)


def test_after_many_sessions_nothing_is_left(start: Workers) -> None:
    worker = start(App(echo))
    echoes_and_goes(worker)
    worker.ends(1)
    worker.rests()
    before = worker.descriptors, worker.threads
    for count in range(2, 301):
        echoes_and_goes(worker)
        worker.ends(count)
    worker.rests()
    assert (worker.descriptors, worker.threads) == before
    assert worker.sessions == 0


def echoes_and_goes(worker: Worker) -> None:
    """From accept to end."""
    with dial(worker.listeners[0]) as connection:
        client = Client(connection)
        echoes(client)
        connection.shutdown(socket.SHUT_WR)
        client.is_over()


# -- drain -------------------------------------------------------------------------------------------------------------


def test_a_drain_lets_who_waits_for_its_peer_read_the_end_of_input(start: Workers) -> None:
    worker = start(App(echo))
    clients = [meet(worker) for _ in range(2)]
    echoes(clients[0])
    worker.want(wire.WANT_DRAIN)
    for client in clients:
        client.is_over()
    assert worker.ended() == 0
    worker.noted("eof", "eof")
    assert worker.log == []


def test_what_the_peer_sent_before_the_drain_is_answered(start: Workers) -> None:
    worker = start(App(echo))
    client = meet(worker)
    with worker.frozen():
        client.say("one")
        client.say("two")
        worker.want(wire.WANT_DRAIN)
    client.hears("one", "two")
    client.is_over()
    assert worker.ended() == 0


def lines(sock: socket.socket) -> None:
    note("opened")
    with sock.makefile("rwb") as file:
        for line in file:
            if line == b"block\n":
                block()
            file.write(line if line.endswith(b"\n") else b"cut short\n")
            file.flush()


def test_a_peer_in_the_middle_of_a_line_may_end_it(start: Workers) -> None:
    worker = start(App(lines))
    client = meet(worker)
    with worker.frozen():
        client.socket.sendall(b"hel")
        worker.want(wire.WANT_DRAIN)
    worker.acts_on(wire.WANT_DRAIN)
    client.say("lo")
    client.hears("hello")
    client.is_over()
    assert worker.ended() == 0


def test_a_handler_that_works_sends_its_answer(two_threads: Workers) -> None:
    worker = two_threads(App(lines))
    client = meet(worker)
    client.say("block")
    worker.noted("blocked")
    worker.want(wire.WANT_DRAIN, by=time.monotonic_ns() + 20_000 * MS)
    worker.acts_on(wire.WANT_DRAIN)
    worker.unlatch()
    client.hears("block")
    client.is_over()
    assert worker.ended() == 0


def test_the_drain_of_a_unix_socket_is_the_same(start: Workers, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        worker = start(App(echo), listeners=[listener])
        client = meet(worker)
        with worker.frozen():
            client.say("one")
            worker.want(wire.WANT_DRAIN)
        client.hears("one")
        client.is_over()
        assert worker.ended() == 0


def pours(sock: socket.socket) -> None:
    note("opened")
    while True:
        sock.sendall(b"x" * 65536)


def test_at_the_deadline_a_handler_that_sends_is_woken_and_its_peer_sees_a_reset(start: Workers) -> None:
    worker = start(App(pours))
    client = meet(worker)
    worker.want(wire.WANT_DRAIN, by=time.monotonic_ns() + 20 * MS)
    assert worker.ended() == 0
    with pytest.raises(ConnectionResetError):
        client.rest()
    assert ["ended by the drain's deadline: BrokenPipeError" in line for line in worker.log] == [True]
    assert worker.slot[wire.ERRORS] == 0
    assert worker.slot[wire.CLOSED] == 1


def goes_on(sock: socket.socket) -> None:
    note("opened")
    while True:
        time.sleep(0.001)
        sock.sendall(b"more\n")


def echoes_for_ever(sock: socket.socket) -> None:
    note("opened")
    while data := sock.recv(100):
        sock.sendall(data)


def hears_for_ever(client: Client, *, asks: bool) -> None:
    while True:
        if asks:
            client.say("more")
        client.hears("more")


@pytest.mark.parametrize("tls", [None, certificates().server])
@pytest.mark.parametrize("handler", [goes_on, echoes_for_ever])
def test_at_the_deadline_a_peer_that_reads_all_sees_no_end_but_a_reset(
    start: Workers, handler: Any, tls: TlsSettings | None
) -> None:
    worker = start(App(handler), tls=tls)
    client = meet(worker)
    worker.want(wire.WANT_DRAIN, by=time.monotonic_ns() + 50 * MS)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        hears_for_ever(client, asks=handler is echoes_for_ever)
    assert worker.ended() == 0
    assert [line for line in worker.log if "left behind" in line] == []
    assert worker.slot[wire.CLOSED] == 1


def stuck(sock: socket.socket) -> None:
    note("opened")
    assert sock.fileno() >= 0
    while True:
        time.sleep(3600)


def test_who_does_not_return_is_left_behind_soon_after_the_deadline(start: Workers) -> None:
    worker = start(App(stuck))
    client = meet(worker)
    worker.want(wire.WANT_DRAIN, by=time.monotonic_ns())
    assert worker.ended() == 0
    assert ["left behind 1 sessions" in line for line in worker.log] == [True]
    with pytest.raises((ConnectionResetError, AssertionError)):  # what it holds is lost in any case
        client.line()


def reuses(sock: socket.socket) -> None:
    """Another connection has its descriptor's number afterwards."""
    number = sock.fileno()
    ours, theirs = socket.socketpair()
    sock.close()
    os.dup2(ours.fileno(), number)
    note("opened")
    os.read(INSIDE.latch, 1)
    theirs.sendall(b"x")
    note(f"reads {os.read(number, 1)!r}")


def test_no_stranger_s_descriptor_is_shut_by_a_drain(two_threads: Workers) -> None:
    worker = two_threads(App(reuses))
    meet(worker)
    worker.want(wire.WANT_DRAIN)
    worker.acts_on(wire.WANT_DRAIN)
    worker.unlatch()
    worker.noted("reads b'x'")
    assert worker.ended() == 0


def test_an_operator_s_signal_reaches_the_master_while_all_threads_block(start: Workers) -> None:
    worker = start(App(echo))
    meet(worker)
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.hear() == wire.Request("drain", "operator")


# -- TLS ---------------------------------------------------------------------------------------------------------------


def test_over_tls_the_handler_s_socket_speaks_it_and_a_drain_ends_its_input(start: Workers) -> None:
    worker = start(App(echo), tls=certificates().server)
    client = meet(worker)
    echoes(client)
    worker.want(wire.WANT_DRAIN)
    client.is_over()
    assert worker.ended() == 0
    worker.noted("eof")


def test_who_does_not_speak_tls_makes_no_session(start: Workers) -> None:
    worker = start(App(echo), tls=certificates().server)
    with dial(worker.listeners[0]) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        until(lambda: worker.slot[wire.REFUSED] == 1)
    worker.holds(0)
    assert ["no session with 127.0.0.1" in line for line in worker.log] == [True]
    echoes(meet(worker))
