"""The master's side of the journal: what was seen and decided goes to a scribe, and nobody ever waits for that.

Theory. A line is handed to the kernel, or kept while the socket is full; beyond BACKLOG bytes lines are dropped and
counted, until there is room for a key, from which on everything can be had again; so are those that the scribe could
not write, of which it tells. Looks that follow one another within milliseconds and decide nothing are kept, a few at
most, and written together, for that costs a third less; they go before whatever comes next. The folder is locked for
as long as the scribe lives. The scribe is a child in a session of its own, so that Ctrl-C leaves it to the master.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from select import POLLIN, poll
from typing import TYPE_CHECKING, Any, Final

from prefork.errors import ConfigError
from prefork.journal.codec import Encoder
from prefork.journal.entries import Key, Note
from prefork.master.handover import command
from prefork.master.notes import note_of
from prefork.policy.memory import Memory
from prefork.policy.model import Spawn
from prefork.policy.units import NS
from prefork.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefork.config import JournalConfig
    from prefork.master.facts import Fact, Performed
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Plan
    from prefork.policy.model import PoolView

_log = logging.getLogger("prefork.master")
KEY_LOOKS: Final = 1000
KEY_BYTES: Final = 1 << 20
"""After so much a key comes again: a piece on disk can only begin with one."""
BACKLOG: Final = 4 << 20
"""Bytes that may wait for a scribe that is behind."""
TOGETHER: Final = 10_000_000
"""ns between two looks that belong together: a busy pool looks each 5 ms."""
MOST_KEPT: Final = 16
_PATIENCE_S: Final = 5.0
"""At the end, for the scribe to write what it has."""


class Journal:
    """One master's."""

    def __init__(self, config: JournalConfig, origins: Callable[[], dict[str, str]]) -> None:
        """Raises ConfigError when the folder can't be made or is another instance's."""
        assert config.path is not None
        self.path = str(config.path)
        self._origins = origins
        self._encoder = Encoder()
        self._pool: PoolConfig | None = None
        self._memory = Memory()
        """After the last look."""
        self._looks = self._bytes = 0
        self._waiting = bytearray()
        self._dropped = 0
        self._not_told = 0
        """Of what is missing, what no key has told yet."""
        self._lost = 0
        """Missing because the scribe could not write it."""
        self._kept: list[tuple[PoolView, Plan]] = []
        """Looks that are to be sent."""
        self._looked_at = 0
        self._heard_at = 0
        self._losing = False
        self._open = True
        lock = _locked(config.path)
        try:
            self._scribe, self._pidfd = _start_scribe(lock, config.path, config.max_size)
        finally:
            os.close(lock)

    # -- what there is to write

    def looked(self, pool: PoolConfig, memory: Memory, view: PoolView, plan: Plan) -> None:
        """A look; `memory`: as it was before."""
        if view.now - self._heard_at >= NS:
            self._hear(view.now)
        if self._wants_key(pool):
            self._say()
            self._key(pool, memory, view.now)
        self._memory = plan.memory
        self._looks += 1
        self._kept.append((view, plan))
        alone, self._looked_at = view.now - self._looked_at > TOGETHER, view.now
        if plan.decisions or alone or len(self._kept) == MOST_KEPT:
            self._say()

    def _key(self, pool: PoolConfig, memory: Memory, now: int) -> None:
        self._pool, self._looks, self._bytes = pool, 0, 0
        missing, self._not_told = self._not_told, 0
        config = pool.model_dump(mode="json")
        self._send([self._encoder.key(Key(time.time_ns(), now, config, self._origins(), memory, missing, VERSION))])

    def performed(self, done: Performed) -> None:
        """A birth gets its number only when it is ordered."""
        if isinstance(done.decision, Spawn):
            self.note(Note(done.at, "spawned", done.worker))

    def learned(self, fact: Fact, now: int) -> None:
        """What came of a decision, or befell a process."""
        note = note_of(fact, now)
        if note is not None:
            self.note(note)

    def note(self, note: Note) -> None:
        """Something that came of a decision, or that others saw."""
        self._say()
        self._send([self._encoder.note(note)])

    # -- how it goes

    def status(self) -> dict[str, Any]:
        """Where it is, and how many lines are missing from it."""
        self._hear(self._heard_at)
        return {"path": self.path, "dropped": self._dropped + self._lost, "writing": self._open}

    def close(self) -> None:
        """Let the scribe write what there is, for a while; then nothing of it is left running."""
        self._say()
        self._hear(self._heard_at)
        if self._not_told and self._pool is not None and len(self._waiting) < BACKLOG // 2:
            self._key(self._pool, self._memory, self._looked_at)  # else nobody would tell that something is missing
        self._scribe.settimeout(_PATIENCE_S)
        if self._open:
            with contextlib.suppress(OSError):
                self._scribe.sendall(self._waiting)
        self._scribe.close()
        waiter = poll()
        waiter.register(self._pidfd, POLLIN)
        if not waiter.poll(_PATIENCE_S * 1000):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            _log.warning("journal %s: its end is missing, the disk is too slow", self.path)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)

    def _hear(self, now: int) -> None:
        """What the scribe could not write is missing up to the next key, so that comes soon."""
        self._heard_at = now
        said = b""
        with contextlib.suppress(OSError):
            while more := self._scribe.recv(4096, socket.MSG_DONTWAIT):
                said += more
        counts = said.split()
        lost = int(counts[-1]) - self._lost if counts else 0
        if lost and not self._losing:
            _log.warning("journal %s: it can't be written: is the disk full, or the folder gone?", self.path)
        self._losing = lost > 0
        self._lost += lost
        self._not_told += lost

    def _wants_key(self, pool: PoolConfig) -> bool:
        if self._not_told and len(self._waiting) < BACKLOG // 2:
            return True
        changed = pool is not self._pool and pool != self._pool
        return changed or self._looks >= KEY_LOOKS or self._bytes >= KEY_BYTES

    def _say(self) -> None:
        """Send the looks that were kept."""
        kept, self._kept = self._kept, []
        if kept:
            self._send([self._encoder.look(view, plan) for view, plan in kept])

    def _send(self, lines: list[str]) -> None:
        """Hand them on now, later, or not at all."""
        raw = "\n".join([*lines, ""]).encode()
        self._bytes += len(raw)
        if not self._open or self._not_told or len(self._waiting) + len(raw) > BACKLOG:
            self._dropped += len(lines)
            self._not_told += len(lines)
            return
        self._waiting += raw
        try:
            sent = self._scribe.send(self._waiting, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            self._open = False
            _log.warning("journal %s: who writes it has ended, so it ends here: %s", self.path, error.strerror)
            return
        del self._waiting[:sent]


def _locked(folder: Path) -> int:
    """A descriptor of the folder, which is made where it is missing, with the lock of who may write there."""
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"journal.path {folder}: {error.strerror}: name a folder that can be written") from None
    why = _refused(lock)
    if why:
        os.close(lock)
        raise ConfigError(f"journal.path {folder}: {why}")
    return lock


def _refused(lock: int) -> str:
    """Why nobody can write there; empty: the folder is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return "another instance writes there: name another folder"
    return "" if os.access(f"/proc/self/fd/{lock}", os.W_OK | os.X_OK) else "it can't be written: name one that can"


def _start_scribe(lock: int, folder: Path, max_size: int) -> tuple[socket.socket, int]:
    """Start the scribe; our end of its socket, and its pidfd."""
    ours, its = socket.socketpair()
    inside = 1 + max(its.fileno(), lock)  # so that neither is overwritten before it is duplicated
    argv = command("prefork.journal.scribe", str(inside), str(folder), str(max_size))
    try:
        pid = os.posix_spawn(
            sys.executable,
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, its.fileno(), inside),
                (os.POSIX_SPAWN_DUP2, lock, inside + 1),
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
        return ours, os.pidfd_open(pid)
    except OSError as error:
        ours.close()
        raise ConfigError(f"journal.path {folder}: who writes it can't be started: {error.strerror}") from None
    finally:
        its.close()
