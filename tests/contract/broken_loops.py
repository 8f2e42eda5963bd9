"""A plugin of loops that break one clause each: `selectors`, with one thing changed in the worker's process.

Each is named for what it does wrong, and says which test must notice.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from prefork import wire
from prefork.app.coroutine import CoroutineSession
from prefork.backends import door, tether
from prefork.backends.contract import hookimpl
from prefork.backends.door import Door
from prefork.backends.gate import Gate
from prefork.backends.handshake import Handshake
from prefork.backends.host import Host, TiedServer
from prefork.backends.link import Link
from prefork.backends.outlet import Outlet
from prefork.backends.pending import LinkHold
from prefork.backends.selector_loop import SelectorsBackend
from prefork.backends.socket_link import SocketLink
from prefork.backends.tether import Tether
from prefork.backends.tls_stream import TlsStream
from prefork.backends.turns import Turns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from prefork.app.app import App
    from prefork.backends.contract import Backend

NOTICED_BY: dict[str, str] = {}
"""How the name of the test begins that must fail, by loop."""
_BREAKS: dict[str, Callable[[], object]] = {}


class BrokenBackend(SelectorsBackend):
    """Named for what it does wrong."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, tied: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        _BREAKS[self.name]()
        super().run(tied, listeners, app, options)


@hookimpl
def prefork_backends() -> list[Backend]:
    return [BrokenBackend(name) for name in _BREAKS]


def noticed_by(test: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    def remember(change: Callable[[], object]) -> Callable[[], object]:
        name = change.__name__.replace("_", "-")
        NOTICED_BY[name] = test
        _BREAKS[name] = change
        return change

    return remember


def after(kind: type, method: str, then: Callable[..., object]) -> None:
    """Call `then` with the same arguments after each call of the method."""
    real = getattr(kind, method)

    def both(self: Any, *args: Any, **more: Any) -> Any:
        value = real(self, *args, **more)
        then(self, *args, **more)
        return value

    setattr(kind, method, both)


def replace(kind: object, **methods: Callable[..., object]) -> None:
    for name, method in methods.items():
        setattr(kind, name, method)


def nothing(*_args: object, **_more: object) -> None: ...


@noticed_by("test_01_ready")
def accepts_before_ready() -> None:
    def start(self: Door, now: int) -> None:
        self._host.start()
        for fd in [*self.listeners]:
            self._accept(fd, now)
        self._regate()
        self._tether.ready()
        self.obey(now)

    replace(Door, start=start)


@noticed_by("test_02_in_the_turn")
def pauses_a_turn_too_late() -> None:
    real = Turns._serve_others

    def listeners_first(self: Turns, events: list[tuple[int, int]]) -> None:
        for fd in self.door.listeners:
            self.door.knock(fd, self.now)
        real(self, events)

    replace(Turns, _serve_others=listeners_first)


@noticed_by("test_03_it_is_exact")
def takes_one_too_many() -> None:
    def widen(self: Tether) -> None:
        if self.gate.max_sessions:
            self.gate._max_sessions += 1

    after(Tether, "ready", widen)


@noticed_by("test_04_told_to_retire")
def retires_without_a_word() -> None:
    real = Gate.learn
    replace(Gate, learn=lambda self, wanted: real(self, wanted) and False)


@noticed_by("test_05_a_drain")
def keeps_idle_sessions() -> None:
    replace(Link, _settle=nothing)


@noticed_by("test_06_who")
def forgets_the_deadline() -> None:
    replace(Link, expire=nothing)


@noticed_by("test_07_a_sweep_serves")
def does_not_sweep() -> None:
    after(Tether, "heard", lambda self, _now: self.queue_empty())


@noticed_by("test_08_when_the_channel_ends_the_port")
def keeps_the_port_of_a_dead_master() -> None:
    replace(Door, _orphaned=Door._regate)


@noticed_by("test_09_the_heartbeat")
def beats_from_a_side_thread() -> None:
    def beat(self: Tether) -> None:
        while True:
            self.slot[wire.HEARTBEAT] = time.monotonic_ns()
            time.sleep(0.005)

    after(Tether, "ready", lambda self: threading.Thread(target=beat, args=(self,), daemon=True).start())


@noticed_by("test_09_an_idle")
def never_waits() -> None:
    replace(Turns, patience=lambda _: 0)


@noticed_by("test_10_figures")
def is_never_busy() -> None:
    def idle(self: Tether) -> None:
        self.slot[wire.IDLE_SINCE] = 1

    after(Tether, "session_opened", idle)


@noticed_by("test_11_an_exception_ends_its_session_and_touches_no_other[received]")
def ends_all_sessions_by_one() -> None:
    links: list[Link] = []

    def end_all(_link: Link, error: Exception) -> None:
        for link in links:
            link._finish(error)

    after(Link, "open", lambda self, _now: links.append(self))
    after(Link, "_failed", end_all)


@noticed_by("test_12_closed_comes_exactly_once_as_the_last[aborted]")
def says_closed_twice() -> None:
    real = Link._finish

    def finish(self: Link, why: Exception | None) -> None:
        session = self.session
        real(self, why)
        session.closed(why)

    replace(Link, _finish=finish)


@noticed_by("test_12_callbacks")
def calls_from_threads() -> None:
    real = Link._call

    def call(self: Link, fn: Callable[..., object], *args: object) -> None:
        threading.Thread(target=real, args=(self, fn, *args), daemon=True).start()

    replace(Link, _call=call)


@noticed_by("test_13")
def logs_every_failed_accept() -> None:
    real = Gate.out_of_files
    replace(Gate, out_of_files=lambda self, now: [real(self, now)] != [])


@noticed_by("test_14")
def counts_no_refusal() -> None:
    replace(Tether, connection_refused=nothing)


@noticed_by("test_15_nothing")
def leaks_a_descriptor() -> None:
    real = SocketLink._release

    def release(self: SocketLink, *, reset: bool) -> None:
        os.dup(self.fd)
        real(self, reset=reset)

    replace(SocketLink, _release=release)


@noticed_by("test_15_nothing")
def leaks_an_object() -> None:
    links: list[Link] = []
    after(Link, "open", lambda self, _now: links.append(self))


@noticed_by("test_15_nothing")
def leaks_a_thread() -> None:
    lasts = threading.Event()
    after(Link, "open", lambda *_: threading.Thread(target=lasts.wait, daemon=True).start())


@noticed_by("test_16_after")
def closes_with_the_peer() -> None:
    replace(Link, eof_in=lambda self: self._finish(None))


@noticed_by("test_17")
def takes_one_frame_a_read() -> None:
    replace(Link, _deliver=nothing)


@noticed_by("test_18_a_slow")
def sends_until_all_is_sent() -> None:
    real = Outlet.__init__

    def init(self: Outlet, host: Host, transmit: Any, *names: object) -> None:
        connection: socket.socket = transmit.__self__

        def send_all(piece: Any) -> int:
            connection.setblocking(True)
            sent: int = transmit(piece)
            connection.setblocking(False)
            return sent

        real(self, host, send_all, *names)

    replace(Outlet, __init__=init)


@noticed_by("test_19")
def trusts_every_doorbell() -> None:
    real = Tether._look
    hears = Tether.heard
    ready = Tether.ready
    replace(Tether, _look=nothing)

    def looks(method: Callable[..., object]) -> Callable[..., object]:
        def look(self: Tether, *args: int) -> None:
            Tether._look = real  # type: ignore[method-assign]
            method(self, *args)
            replace(Tether, _look=nothing)

        return look

    replace(Tether, heard=looks(hears), ready=looks(ready))


@noticed_by("test_20")
def accepts_by_its_own_wake_ups_alone() -> None:
    replace(Door, bell=lambda self, now: self._tether.heard(now))


@noticed_by("test_21")
def resumes_when_told_to_pause() -> None:
    tether._REQUESTS[signal.SIGUSR1] = wire.Request("resume", "operator")


@noticed_by("test_22_replies")
def waits_with_nagle() -> None:
    replace(door, prepare=lambda listener: listener.setblocking(False))


@noticed_by("test_22_what")
def sends_in_pieces() -> None:
    def send_item(self: Outlet, item: object) -> None:
        self._transmit(self._encode(item))

    replace(Outlet, send_item=send_item)


@noticed_by("test_23")
def survives_an_exit() -> None:
    real = SelectorsBackend.run

    def run(*args: Any) -> None:
        try:
            real(*args)
        except SystemExit:
            run(*args)

    replace(SelectorsBackend, run=run)


@noticed_by("test_24_a_listener")
def knocks_at_a_listener_that_was_shut_down() -> None:
    replace(Door, _not_accepted=lambda *_: False)


@noticed_by("test_25_calls")
def calls_at_once() -> None:
    real = Link.call_later
    replace(Link, call_later=lambda self, _seconds, fn, *args: real(self, 0, fn, *args))


@noticed_by("test_26_a_paused")
def reads_while_paused() -> None:
    replace(Link, pause_reading=nothing)


@noticed_by("test_27_over")
def has_no_limits() -> None:
    replace(Outlet, _flush_later=lambda self, out: (self._backlog.add(out), out.clear()))


@noticed_by("test_28_another")
def loses_what_the_old_framer_had() -> None:
    replace(Link, set_framer=lambda self, framer: self._speak(self._host.app.framer(framer)))


@noticed_by("test_29_after")
def closes_in_place_of_send_eof() -> None:
    replace(Outlet, send_eof=lambda self: self.close())


@noticed_by("test_30_offload")
def offloads_to_the_loop() -> None:
    replace(Link, offload=lambda _, fn, then=lambda _: None: then(fn()))


@noticed_by("test_31")
def admits_everybody() -> None:
    replace(Host, admits=lambda *_: True)


@noticed_by("test_32_started_comes")
def starts_in_silence() -> None:
    replace(Host, start=nothing)


@noticed_by("test_33")
def drains_when_told_to_stop() -> None:
    replace(TiedServer, stop=lambda self: self._tether.request("drain", "app"))


@noticed_by("test_35")
def holds_nothing() -> None:
    replace(Link, hold=LinkHold)


@noticed_by("test_37_the_end")
def says_nothing_of_the_end_of_input() -> None:
    replace(CoroutineSession, eof=nothing)


@noticed_by("test_34_it_serves")
def serves_for_ever() -> None:
    opened = Gate.session_opened

    def session_opened(self: Gate) -> None:
        self._left += 1
        opened(self)

    replace(Gate, session_opened=session_opened)


@noticed_by("test_36_a_place")
def gives_no_place_back() -> None:
    replace(Door, turned_away=lambda self: self._tether.connection_refused())


@noticed_by("test_36_who_is_silent")
def shakes_hands_for_ever() -> None:
    replace(Handshake, open=nothing)


@noticed_by("test_36_a_drain_closes")
def drains_handshakes_away() -> None:
    replace(Handshake, drain=lambda self, *_: self._fail("draining"))


@noticed_by("test_36_what_comes_along")
def loses_what_came_with_the_handshake() -> None:
    replace(TlsStream, first=lambda _: b"")


@noticed_by("test_36_a_drain_waits")
def knows_no_half_record() -> None:
    def recv(self: TlsStream, size: int, flags: int = 0) -> bytes:
        self._part = b""
        return real(self, size, flags)

    real = TlsStream.recv
    replace(TlsStream, recv=recv)
