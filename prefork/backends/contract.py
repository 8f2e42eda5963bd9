"""What a backend is, and what it promises: the contract, in numbered clauses. `prefork.testing.contract` tests each.

A backend serves an app's sessions on the listeners of one worker, in one process, until the worker is done. It is told
everything through a `Tether`, which does the talking to the master; what a loop must add to it:

 1. READY before the first accept: `tether.ready()` is called when the loop can accept, before it does.
 2. Pause: from the turn that reads a doorbell, with a pause in the slot, nothing is accepted; a resume ends that.
 3. The cap is exact: never more than max_sessions at once, and below it again one more is accepted.
 4. Retire: without a session the worker ends; with one it says DECLINED and serves on.
 5. Drain: nothing is accepted any more, what is idle is closed at once, the rest as soon as it is idle.
 6. Deadline: sessions that aren't idle by DRAIN_BY are ended, with DrainTimeoutError, by a reset, and `run` returns.
    One whose thread is blocked is left behind soon afterwards.
 7. Sweep: a drain with SWEEP still accepts, until SWEEP falls or the listener is shut down.
 8. End of the channel: the listeners are closed at once; a worker without a session ends at once, others drain. Who
    has not ended a heartbeat_timeout after the deadline dies of the interval timer, however well the loop turns.
 9. The beat comes from the serving loop: HEARTBEAT moves while it turns and stands still while a callback blocks; while
    it idles, it wakes once a heartbeat_interval and for nothing else.
10. Figures: ACCEPTED - CLOSED is the sessions held; IDLE_SINCE is 0 exactly while there is one.
11. Isolation: an exception of the user's code in any callback ends that session, reaches its `closed`, is logged once
    with the peer, and touches no other session; so does what is no Exception, but for clause 23.
12. `closed` is the last callback and comes exactly once; callbacks of one session never overlap.
13. EMFILE, ENFILE: no accept for a while, one log line a second at most, and accepting again when a file is free.
14. A connection that is reset before its accept is counted in REFUSED, without a traceback or a session.
15. Nothing leaks: after 1,000 sessions as many descriptors, threads and tasks as before.
16. Half-close: after the peer's end of input a session may still send; by default it closes once all is sent.
17. Frames split over reads, and many in one read, are the same items, in order.
18. A slow reader gets every byte, in order, and holds up nobody else.
19. A lost doorbell is made good at the next beat.
20. A doorbell means also: try one accept, for a wake-up may have been swallowed.
21. Signals: INT and TERM ask the master for a drain, USR1 for a pause, USR2 for a resume; HUP, TTIN, TTOU do nothing.
22. Replies of one callback leave in one piece, without Nagle's delay.
23. SystemExit and KeyboardInterrupt from a callback leave `run`.
24. A listener that the master shut down is an empty one: it is left alone, and a sweep is over.
25. `call_later` calls on the loop, is cancelled with its session, and its exception is the session's.
26. Reading paused: nothing is received and the peer is held up; resumed, what was read before comes first, then EOF.
27. Write limits: over `high` the session is told to pause, down to `low` to resume; what it sends over `hard` ends it.
28. `set_framer` holds from the next item on, and no byte is lost or seen twice.
29. `send_eof`: the peer reads end of input after all that was sent, and may still send.
30. `offload` runs in a thread, `then` on the loop; its exception is the session's; a drain waits for it.
31. `admit` refuses before a session exists: REFUSED counts it, ACCEPTED doesn't.
32. `started` is called before READY, and its exception leaves `run`; `stopping` after the last session.
33. What the user's code asks of worker and server reaches the master as a request of the app.
34. The life is exact: never more than MAX_SERVED sessions ever; then SPENT shows, the master is rung at once, and the
    sessions that are open go on. A sweep accepts all the same.
35. `hold`: until its release a session isn't idle, and a drain waits for it.
36. TLS: a session exists from the end of the handshake on, and keeps all of this. Before, a connection has its place;
    one that doesn't come to a session gives it back, is counted in REFUSED, and is one line at most. A drain lets
    handshakes end; `handshake_timeout` and the deadline end those that don't.
37. A coroutine (`app.coroutine`) is served as a session: it waits for its connection alone, in order, is held up by its
    peer and holds it up; the session's end, whatever it is, ends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from prefork.app.app import App
    from prefork.app.styles import Style, Support
    from prefork.backends.tether import Tether

CONTRACT = 1
"""The version of these clauses; a backend names the one that it keeps."""
GROUP = "prefork.backends"
"""Entry points: name = the backend's name, value = a module with a `prefork_backends` hook."""

_hookspec = pluggy.HookspecMarker("prefork")
hookimpl = pluggy.HookimplMarker("prefork")
"""Marks a plugin's `prefork_backends`."""


class Backend(Protocol):
    """A way of serving sessions. Plain attributes do for the properties.

    One that must change the process before the app is imported (gevent's patches) has a `prepare(options)` as well: it
    is called in the mold, before the import. One that needs something for some apps has an `adopt(app, options)`: it is
    called there after the import, and may refuse the app by a ConfigError.
    """

    @property
    def name(self) -> str:
        """As in `backend = "…"`."""

    @property
    def contract(self) -> int:
        """The CONTRACT that it keeps."""

    @property
    def styles(self) -> Mapping[Style, Support]:
        """The styles of app (`prefork.app.styles`) that it can run, and how; one that isn't there it can't run."""

    @property
    def options(self) -> type | None:
        """The dataclass of `[backends.NAME]`; None: it has no options."""

    def run(self, tether: Tether, listeners: Sequence[socket.socket], app: App, options: object, /) -> None:
        """Serve until the worker is done. `options`: an instance of `options`, or None."""


@_hookspec
def prefork_backends() -> list[Backend]:  # type: ignore[empty-body]
    """Offer backends; called once, when one of this module's entry points is wanted."""
