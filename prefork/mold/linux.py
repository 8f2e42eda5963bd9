"""prctl from Python: the process attributes that no module of the standard library sets. Source: prctl(2)."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: int | bytes) -> None:
    if _libc.prctl(option, argument if isinstance(argument, bytes) else ctypes.c_ulong(argument), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {argument!r}): {os.strerror(number)}")


def die_with_parent(signum: int) -> None:
    """Get `signum` when the parent ends. Cleared by fork and setuid: arm it after adoption and after the drop."""
    _prctl(_PR_SET_PDEATHSIG, signum)


def name_thread(name: str) -> None:
    """`/proc/PID/comm` says the first 15 bytes of `name`."""
    _prctl(_PR_SET_NAME, name.encode("utf-8", "replace")[:15])


def become_subreaper(on: bool = True) -> bool:
    """Adopt orphaned descendants (or no longer); returns what was set before."""
    before = ctypes.c_int()
    _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))
    return bool(before.value)
