"""The first and last lines of a worker: from the fork to its loop, and from its loop to `os._exit`.

Theory. The worker waits until the intermediate is gone (its parent is then the master: PR_SET_CHILD_SUBREAPER), arms
PDEATHSIG only then (armed before adoption it fires at adoption), and looks at its parent again, for the master may have
died in between. The intermediate gives its copy of the mold's memory back before it is gone: meanwhile the worker does
what needs no parent. It leaves by `os._exit` after running `atexit` and flushing: an ordinary exit would run the mold's
stack, a bare `_exit` would lose the last printed lines.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import logging
import mmap
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from prefork import log, wire
from prefork.app.frames import own_traceback
from prefork.backends.tether import Tether, WorkerSettings
from prefork.errors import BugError, PreforkError
from prefork.mold import linux
from prefork.mold.title import set_title

if TYPE_CHECKING:
    import socket

    from prefork.mold.mold import Loaded

_ADOPTION_STEP_S = 0.00005


class Birth(NamedTuple):
    """What the master sent for this worker."""

    worker: int
    slot: int
    channel: socket.socket
    dump: int
    """Descriptor of the memory file that takes its stacks when it is killed or crashes."""


def be_worker(loaded: Loaded, birth: Birth, intermediate: int) -> None:
    """Be a worker; never returns."""
    code = 70
    try:
        code = _live(loaded, birth, intermediate)
    except SystemExit as error:
        code = _exit_code(error)
    except BaseException as error:  # noqa: BLE001 - the last line of defence: told to the master, then out
        _report(birth, error)
    finally:
        _leave(code)


def _live(loaded: Loaded, birth: Birth, intermediate: int) -> int:
    set_title(loaded.settings.name, f"worker {birth.worker}")
    _dump_stacks_to(birth.dump)
    log.attach(loaded.sink, f"worker {birth.worker}")
    slot = _map(loaded.memory, birth.slot)
    loaded.sink.count_in(slot[wire.DROPPED : wire.DROPPED + 1])
    if not _is_adopted(intermediate, loaded.settings.master):
        return 0
    birth.channel.send(wire.pack(wire.Born(os.getpid())))
    tether = Tether(birth.channel, slot, _figures(loaded, birth.worker))
    loaded.backend.run(tether, loaded.listeners, loaded.app, loaded.options)
    return 0


def _is_adopted(intermediate: int, master: int) -> bool:
    """Wait for the end of the intermediate; whether the master is then the parent, and will be survived no more."""
    while os.getppid() == intermediate:
        time.sleep(_ADOPTION_STEP_S)
    linux.die_with_parent(signal.SIGTERM)
    return os.getppid() == master


def _figures(loaded: Loaded, worker: int) -> WorkerSettings:
    shared = WorkerSettings._fields[1:-1]
    tls = {each.getsockname(): one for each, one in zip(loaded.listeners, loaded.tls, strict=True) if one is not None}
    return WorkerSettings(worker, **{name: getattr(loaded.settings, name) for name in shared}, tls=tls)


def _dump_stacks_to(fd: int) -> None:
    """SIGQUIT prints all stacks into `fd`, in C, whether or not Python runs; a crash does so too, then dies of it."""
    faulthandler.enable(file=fd, all_threads=True)
    faulthandler.register(signal.SIGQUIT, file=fd, all_threads=True, chain=False)


def _map(memory: int, slot: int) -> memoryview:
    whole = mmap.mmap(memory, os.fstat(memory).st_size)
    return memoryview(whole).cast("Q")[slot * wire.WORDS : (slot + 1) * wire.WORDS]


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    logging.getLogger("prefork").error("%s", error.code)
    return 1


def _report(birth: Birth, error: BaseException) -> None:
    """Say why it ends: to the master, which folds a crash loop's many lines into one."""
    meant = isinstance(error, PreforkError) and not isinstance(error, BugError)
    text = str(error) if meant else f"{type(error).__name__}: {error}"
    why = error.__cause__ if meant else error  # what is raised on purpose says all of itself
    frames = "" if why is None else own_traceback(why)
    with contextlib.suppress(OSError):
        birth.channel.send(wire.pack(wire.Failed(log.one_line(text), frames)))


def _leave(code: int) -> None:
    """Run what the app registered with atexit, flush, and be gone."""
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - the only way to run them without unwinding the mold's stack
    except BaseException:
        logging.getLogger("prefork").exception("an atexit function of the app failed")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
