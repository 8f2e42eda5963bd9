"""The worker's end of what ties it to the master: channel, slot and signals. Shared by every loop, which feeds it.

Theory. The master writes wishes into the slot and rings; a doorbell may be lost, so the slot is looked at on every beat
too. The worker writes facts into the slot, one word at a time (`memoryview[i] = v`), and only from its serving loop, so
that a stuck loop looks stuck. A signal to a worker is the operator's way in: it becomes a Request, and the master,
which alone orders, rings back. The end of the channel means that the master died.

Each beat re-arms ITIMER_REAL, whose default action is to die: neither EOF nor a Python signal handler ends a worker
that can't look. The end of the channel arms it for the last time: an orphan whose loop turns may still wait for ever,
for a thread that a session has blocked.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from prefork import wire
from prefork.backends.gate import Gate
from prefork.backends.timers import NEVER
from prefork.backends.wakeup import Wakeup

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from prefork.tls import ServerTls

_log = logging.getLogger("prefork.worker")

_REQUESTS: Final = {
    signal.SIGINT: wire.Request("drain", "operator"),
    signal.SIGTERM: wire.Request("drain", "operator"),
    signal.SIGUSR1: wire.Request("pause", "operator"),
    signal.SIGUSR2: wire.Request("resume", "operator"),
}
_IGNORED: Final = (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE)
_HEARTBEAT, _TURN_AT, _BUSY = wire.HEARTBEAT, wire.TURN_AT, wire.BUSY
_RING_NS = 50_000_000
"""A worker whose sessions rise rings at most so often: the master may have slept through an accept that was at once."""
_GROWTH_BYTES = 2**20
"""A worker whose memory grew by so much rings with its beat: a limit may be passed that the master knows of."""
_RETRY_NS = 20_000_000
"""A record that a full channel refused is tried again at every turn, and at the latest after so long."""
_LAST_MOMENT_NS = 250_000_000
"""Behind the drain's deadline, for the clean-up of what it ended. A master dumps all stacks at the deadline, and aborts
300 ms later.
"""


class WorkerSettings(NamedTuple):
    """What a worker is told of itself. Durations in ns."""

    worker: int
    name: str
    """The pool's."""
    max_sessions: int
    """0 = no cap."""
    heartbeat_interval_ns: int
    heartbeat_timeout_ns: int
    drain_timeout_ns: int
    tls: Mapping[object, ServerTls]
    """By the listener's name as its socket tells it; who has none is plain."""


class Tether:
    """One worker's tie. Its loop calls `ready` once, `turn_began` and `turn_ended` around each turn, the rest when so.

    `gate` says what is allowed; `next_at` is when `tick` wants to be called; `orphaned`: the master is gone.
    """

    __slots__ = (
        "_accepted",
        "_beat_at",
        "_busy",
        "_closed",
        "_errors",
        "_held",
        "_held_at",
        "_outbox",
        "_overdue",
        "_published",
        "_refused",
        "_ring_at",
        "_rung_at",
        "_rung_rss",
        "_statm",
        "_turn_at",
        "_wakeup",
        "channel",
        "drain_by",
        "gate",
        "next_at",
        "orphaned",
        "settings",
        "slot",
        "wakeup_fd",
    )

    def __init__(self, channel: socket.socket, slot: memoryview, settings: WorkerSettings) -> None:
        """`slot`: wire.WORDS words of format "Q"."""
        channel.setblocking(False)
        self.channel = channel
        self.slot = slot
        self.settings = settings
        self.gate = Gate(settings.max_sessions, slot[wire.MAX_SERVED])
        self.orphaned = False
        self.drain_by = NEVER
        """Monotonic ns at which sessions are aborted; NEVER: no drain. Only ever moves earlier."""
        self.next_at = 0
        self._accepted = self._closed = self._busy = self._errors = self._refused = 0
        self._held = self._held_at = 0
        self._beat_at = 0
        self._ring_at = NEVER
        self._rung_at = self._rung_rss = 0
        self._turn_at = 0
        self._outbox: list[bytes] = []
        self._overdue = False
        self._published = (0, 0)
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._wakeup = Wakeup()
        self.wakeup_fd = self._wakeup.fd
        """Readable when a signal came, or `wake` was called; then call `signalled`."""

    # -- birth and death -------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Obey signals, take the first look at the slot, beat, and tell the master that this loop can accept."""
        self._wakeup.catch(_REQUESTS)
        for signum in _IGNORED:
            signal.signal(signum, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        now = time.monotonic_ns()
        self.slot[wire.IDLE_SINCE] = now
        self.slot[wire.PLACES] = self.gate.places
        self._beat(now)
        self._say(wire.Ready())
        self._plan()

    def close(self) -> None:
        """Close what the tether opened; the interval timer stays armed, for what runs after the loop may hang."""
        self._wakeup.close()
        os.close(self._statm)

    @property
    def seconds_left(self) -> float:
        """Until the drain's deadline; what a drain may take, where there is none yet."""
        most = self.settings.drain_timeout_ns
        return max(0, min(self.drain_by - time.monotonic_ns(), most)) / 1e9

    @property
    def moment_left(self) -> float:
        """Seconds that a clean-up may take: a quarter, and none that lie more than this behind the drain's deadline."""
        return max(0, min(self.last_moment - time.monotonic_ns(), _LAST_MOMENT_NS)) / 1e9

    @property
    def last_moment(self) -> int:
        """Monotonic ns at which who still lives is left behind."""
        return self.drain_by + _LAST_MOMENT_NS

    # -- turns -----------------------------------------------------------------------------------------------------

    def turn_began(self, now: int) -> None:
        """The loop woke."""
        self._wakeup.sleeps = False
        self._turn_at = now
        slot = self.slot
        slot[_HEARTBEAT] = now
        slot[_TURN_AT] = now

    def turn_ended(self, now: int) -> None:
        """The loop is about to wait."""
        self._busy += now - self._turn_at
        slot = self.slot
        slot[_BUSY] = self._busy
        slot[_TURN_AT] = 0
        self._wakeup.sleeps = True
        if self._outbox:
            self._send()
            self._plan()

    def busy_at_least(self, ns: int) -> None:
        """The loop has been busy for so long in all: where it works outside of turns."""
        self._busy = max(self._busy, ns)

    def tick(self, now: int) -> None:
        """Do what is due of: the beat, the end of a back-off, a record to send again."""
        if now >= self._beat_at:
            self._beat(now)
        if now >= self._ring_at:
            self._ring_at, self._rung_at = NEVER, now
            if self.gate.sessions:
                self._say(wire.Bell())
        self.gate.tick(now)
        self._publish()
        self._plan()

    # -- sessions --------------------------------------------------------------------------------------------------

    def session_opened(self) -> None:
        """A connection was accepted and will be a session."""
        self._accepted += 1
        slot = self.slot
        slot[wire.ACCEPTED] = self._accepted
        gate = self.gate
        self._hold(gate.sessions)
        gate.session_opened()
        if gate.sessions == 1:
            slot[wire.IDLE_SINCE] = 0
        if self._ring_at == NEVER:
            self._ring_at = max(self._turn_at, self._rung_at + _RING_NS)
            self.next_at = min(self.next_at, self._ring_at)
        if gate.bits != self._published[0]:
            self._publish()

    def session_closed(self) -> None:
        """A session is over and its descriptor closed."""
        self._closed += 1
        gate = self.gate
        self._hold(gate.sessions)
        gate.session_closed()
        if not gate.sessions:
            self.slot[wire.IDLE_SINCE] = self._turn_at
        self.slot[wire.CLOSED] = self._closed
        if gate.bits != self._published[0]:
            self._publish()

    def _hold(self, sessions: int) -> None:
        """So many were held until this turn: what begins or ends in it afterwards adds nothing."""
        now = self._turn_at
        if now != self._held_at:
            if sessions:
                self._held += sessions * (now - self._held_at)
                self.slot[wire.HELD] = self._held
            self._held_at = self.slot[wire.HELD_AT] = now

    def connection_waited(self, ms: int) -> None:
        """Count a connection that was in the accept queue for so long."""
        self.slot[wire.wait_bucket(ms)] += 1

    def session_failed(self) -> None:
        """An exception of the user's code ended a session."""
        self._errors += 1
        self.slot[wire.ERRORS] = self._errors

    def connection_refused(self) -> None:
        """A connection was gone, or turned away, before a session existed."""
        self._refused += 1
        self.slot[wire.REFUSED] = self._refused

    def out_of_files(self, now: int, error: OSError) -> None:
        """Accept found no descriptor free."""
        if self.gate.out_of_files(now):
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            _log.error("can't accept: %s; %d sessions, limit %d files", error.strerror, self.gate.sessions, soft)
        self._publish()
        self._plan()

    def queue_empty(self) -> None:
        """Nobody waits, nor ever will."""
        self.gate.queue_empty()
        self._publish()

    def deadline_passed(self) -> None:
        """The drain's deadline is over: nobody is taken any more, and no turn is wanted for it again."""
        self._overdue = True
        self.queue_empty()
        self._plan()

    # -- the master ------------------------------------------------------------------------------------------------

    def heard(self, now: int) -> None:
        """Read every record of the channel, then look at the slot; the end of the channel makes an orphan."""
        while not self.orphaned:
            try:
                record = self.channel.recv(wire.MAX_RECORD)
            except BlockingIOError:
                break
            except OSError:  # ECONNRESET: the master died with records of ours unread
                record = b""
            if not record:
                self._orphan(now)
        self._look(now)

    def request(self, act: str, owner: str) -> None:
        """Ask the master to stop, pause, resume or drain; it applies that and rings back."""
        self._say(wire.Request(act, owner))
        self._plan()

    def wake(self) -> None:
        """Make the loop turn, where it waits; from any thread, at any time."""
        self._wakeup.wake()

    def signalled(self) -> None:
        """Turn the signals that came into requests; how many came of one kind doesn't matter."""
        for signum in self._wakeup.take():
            self._say(_REQUESTS[signal.Signals(signum)])
        self._plan()

    def _orphan(self, now: int) -> None:
        self.orphaned = True
        self._outbox.clear()
        self.gate.orphan()
        self._drain_until(now + self.settings.drain_timeout_ns)
        _die_in(max(0, self.drain_by - now) + self.settings.heartbeat_timeout_ns)

    def _look(self, now: int) -> None:
        """Act on the words of the master."""
        wanted = self.slot[wire.WANTED]
        if self.gate.learn(wanted):
            self._say(wire.Declined())
        if wanted & wire.WANT_DRAIN:
            by = self.slot[wire.DRAIN_BY]
            if by or self.drain_by == NEVER:
                self._drain_until(by or now + self.settings.drain_timeout_ns)
        self._publish()
        self._plan()

    def _drain_until(self, by: int) -> None:
        self.drain_by = min(self.drain_by, by)

    def _say(self, record: wire.Record) -> None:
        if not self.orphaned:
            self._outbox.append(wire.pack(record))
            self._send()

    def _send(self) -> None:
        """Send what waits, in order; what a full channel refuses waits on. A dead channel is told by its EOF."""
        while self._outbox:
            try:
                self.channel.send(self._outbox[0])
            except BlockingIOError:
                return
            except OSError:
                self._outbox.clear()
                return
            del self._outbox[0]

    # -- words and instants ----------------------------------------------------------------------------------------

    def _publish(self) -> None:
        gate = self.gate
        words = (gate.bits, gate.actual)
        if words != self._published:
            spent = words[0] & ~self._published[0] & wire.GATE_SPENT
            self._published = words
            self.slot[wire.GATE], self.slot[wire.ACTUAL] = words
            if spent:  # the master has a successor to send, at once
                self._say(wire.Bell())

    def _beat(self, now: int) -> None:
        settings = self.settings
        if not self.orphaned:
            _die_in(settings.heartbeat_timeout_ns + settings.drain_timeout_ns)
        slot = self.slot
        slot[wire.HEARTBEAT] = now
        slot[wire.RSS] = rss = int(os.pread(self._statm, 128, 0).split()[1]) * resource.getpagesize()
        slot[wire.CPU] = time.process_time_ns()
        self._beat_at = now + settings.heartbeat_interval_ns
        if self._wakeup.came:  # their byte in the pipe was lost
            self.signalled()
        self._weigh(rss)
        self._look(now)

    def _weigh(self, rss: int) -> None:
        """Ring when memory grew: the master sleeps until it has a reason to look."""
        rung = self._rung_rss
        if rss > rung + _GROWTH_BYTES:
            self._rung_rss = rss
            if rung:  # the first figure goes with READY
                self._say(wire.Bell())
        elif rss < rung:
            self._rung_rss = rss

    def _plan(self) -> None:
        at = min(self._beat_at, self.gate.retry_at or NEVER, self._ring_at)
        if not self._overdue:
            at = min(at, self.drain_by)
        if self._outbox:
            at = min(at, self._turn_at + _RETRY_NS)
        self.next_at = at


def _die_in(ns: int) -> None:
    """Die of SIGALRM, unless another instant is set before."""
    signal.setitimer(signal.ITIMER_REAL, ns / 1e9)
