"""What crosses a process boundary: the records on a channel and the words of a slot. Pack and unpack, nothing else.

Theory. Two things connect the master with a worker. A *slot* of shared memory holds facts and wishes as aligned 8-byte
words, each meaningful by itself, each with one writer, read at any time by the other side. A *channel* (SOCK_SEQPACKET)
carries records; most are the doorbell "look at your slot", so that a record lost to a full channel harms nothing. Words
are read and written through `memoryview.cast("Q")` alone: `struct.pack_into` zeroes before it writes, and another
process sees the zeros. Totals only grow; sessions held = ACCEPTED - CLOSED.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Sequence

# -- slots ------------------------------------------------------------------------------------------------------------

WORDS = 32
"""Words in a slot: four cache lines, so that neighbours don't share one."""
WORD_BYTES = 8
SLOT_BYTES = WORDS * WORD_BYTES

TAG = 0
"""The WorkerId that owns the slot, written by the master before the birth."""

# written by the worker's serving loop alone
HEARTBEAT = 1
"""Monotonic ns of the loop's last turn."""
TURN_AT = 2
"""Monotonic ns at which the turn that is running began; 0 while the loop waits."""
ACCEPTED = 3
CLOSED = 4
BUSY = 5
"""ns spent in turns."""
RSS = 6
"""Resident bytes, read once a heartbeat_interval; 0 = not read yet."""
GATE = 7
"""Why the gate is shut: GATE_* bits; 0 = it accepts."""
ACTUAL = 8
"""The WANTED bits that the worker acts on."""
IDLE_SINCE = 9
"""Monotonic ns since which it holds no session; 0 = it holds one, or isn't READY."""
ERRORS = 10
"""Sessions ended by an exception of the user's code."""
REFUSED = 11
"""Connections that were gone, or turned away, before a session existed."""
CPU = 12
"""Process CPU ns, read with RSS."""
PLACES = 13
"""Sessions that the loop itself can hold, whatever `max_sessions`; 0 = no limit. Written before READY."""
HELD = 14
"""Session-ns: the sum of its sessions' lengths up to HELD_AT."""
DROPPED = 15
"""Log lines of prefork's own that could not be written; stored by whoever logs, under the lock of the log's handler."""

# written by the master alone
WANTED = 16
"""WANT_* bits."""
DRAIN_BY = 17
"""Monotonic ns: deadline of the drain; 0 = none."""
MAX_SERVED = 18
"""Sessions that the worker may ever accept, its jitter included, written before the birth; 0 = no limit."""

# written by the worker's serving loop alone, again
HELD_AT = 19
"""Monotonic ns at which a session last began or ended."""
WAITS = 20
"""The first of WAIT_BUCKETS words: connections by how long they waited to be accepted, `wait_bucket` of them."""
WAIT_BUCKETS = 12

GATE_FULL = 1
GATE_PAUSED = 2
GATE_DRAINING = 4
GATE_BACKOFF = 8
"""Out of file descriptors: no accept until one is free."""
GATE_SPENT = 16
"""It has accepted MAX_SERVED sessions. Never falls; a sweep accepts in spite of it."""

WANT_PAUSE_OPERATOR = 1
WANT_PAUSE_APP = 2
WANT_PAUSE_POLICY = 4
WANT_PAUSE = WANT_PAUSE_OPERATOR | WANT_PAUSE_APP | WANT_PAUSE_POLICY
WANT_RETIRE = 8
WANT_DRAIN = 16
WANT_SERIAL_SHIFT = 16
"""Above the bits: how often the worker was told to retire. A new number is a new question, even if no bit fell."""
WANT_SWEEP = 32
"""With DRAIN: accept what is still queued first (the pool stops, and no new connection can arrive)."""


def wait_bucket(ms: int) -> int:
    """Return the word of WAITS for a wait of so many ms: 0, 1, 2 to 3, 4 to 7 … and 1,024 or more."""
    return WAITS + min(ms.bit_length(), WAIT_BUCKETS - 1)


def wait_quantile(waits: Sequence[int], share: float) -> tuple[int, int | None] | None:
    """Return in which wait of the buckets `waits`, from so many ms to less than so many, that share of them ends.

    None for the upper bound: there is none. None at all: nobody has waited yet.
    """
    enough = sum(waits) * share
    for nth, count in enumerate(waits):
        enough -= count
        if count and enough <= 0:
            return 1 << nth >> 1, None if nth == WAIT_BUCKETS - 1 else 1 << nth
    return None


# -- records ----------------------------------------------------------------------------------------------------------


class Bell(NamedTuple):
    """Master to worker: look at your slot; if a connection waits, take it. Worker to master: count my sessions."""


class Start(NamedTuple):
    """Master to mold, once: the settings of `mold.settings`; descriptors: shared memory, log, listeners in order."""

    settings: dict[str, Any]


class Fork(NamedTuple):
    """Master to mold: make a worker; descriptors: the worker's channel end, its dump file."""

    worker: int
    slot: int


class MoldReady(NamedTuple):
    """Mold to master: the app is imported; `resident` is the mold's memory in bytes."""

    resident: int


class MoldFailed(NamedTuple):
    """Mold to master: the app can't be imported. `text` is one line; `frames` the user's own frames, maybe empty."""

    text: str
    frames: str


class ForkFailed(NamedTuple):
    """Mold to master: fork said `errno` for this worker; its channel end is closed."""

    worker: int
    errno: int


class Born(NamedTuple):
    """Worker to master: I am your child, and this is my pid."""

    pid: int


class Ready(NamedTuple):
    """Worker to master: my loop can accept."""


class Declined(NamedTuple):
    """Worker to master: I hold a session and stay."""


class Failed(NamedTuple):
    """Worker to master: I end because of this; one line, and the user's own frames."""

    text: str
    frames: str


class Request(NamedTuple):
    """Worker to master: `act` is stop, pause, resume or drain; `owner` is operator (a signal to the worker) or app."""

    act: str
    owner: str


Record = Bell | Start | Fork | MoldReady | MoldFailed | ForkFailed | Born | Ready | Declined | Failed | Request

FROM_WORKER = (Bell, Born, Ready, Declined, Failed, Request)
FROM_MOLD = (MoldReady, MoldFailed, ForkFailed)
ACTS = ("stop", "pause", "resume", "drain")
OWNERS = ("operator", "app")
_SHAPES: dict[str, Any] = {
    kind.__name__: (kind, tuple(get_origin(each) or each for each in get_type_hints(kind).values()))
    for kind in get_args(Record)
}
_BELL = b'["Bell"]'
_A_BELL = Bell()
MAX_RECORD = 128 * 1024
"""Bytes; a longer text is cut."""
_TEXT_LIMIT = MAX_RECORD // 16
"""Characters, of which none takes more than ten bytes."""


class WireError(ValueError):
    """A record that prefork never sends."""


def pack(record: Record) -> bytes:
    """The record's bytes; never empty, since an empty record reads as the end of the channel."""
    if isinstance(record, Bell):
        return _BELL
    raw = _packed(record)
    if len(raw) > MAX_RECORD and isinstance(record, MoldFailed | Failed):  # a text is told as far as it fits
        return _packed(type(record)(record.text[:_TEXT_LIMIT], record.frames[-_TEXT_LIMIT:]))
    return raw


def _packed(record: Record) -> bytes:
    text = json.dumps([type(record).__name__, *record], separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def unpack(raw: bytes) -> Record:
    """The record in `raw`. Raises WireError for anything that `pack` would not have made."""
    if raw == _BELL:
        return _A_BELL
    try:
        name, *fields = json.loads(raw)
        kind, shape = _SHAPES[name]
        record: Record = kind(*fields)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WireError(f"record {raw[:60]!r}: {error}") from None
    if any(type(field) is not wanted for field, wanted in zip(record, shape, strict=True)):
        raise WireError(f"record {raw[:60]!r}: a field is of the wrong type")
    if isinstance(record, Request) and (record.act not in ACTS or record.owner not in OWNERS):
        raise WireError(f"record {raw[:60]!r}: no such request")
    return record
