"""What no module of the standard library sets of a process, nor of its memory. Source: prctl(2), madvise(2)."""

from __future__ import annotations

import ctypes
import os
import re
import resource
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_MADV_COLLAPSE = 25
_THP = Path("/sys/kernel/mm/transparent_hugepage")
_ANONYMOUS = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) rw-p \S+ 00:00 0 *(?:\[heap\])?\n(?:(?!Rss:).*\n)*?Rss: +(\d+) kB", re.MULTILINE
)
"""In smaps: where such a mapping begins and ends, and how much of it is resident."""
_FULL = 0.9

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


def limit_open_files(soft: int) -> int:
    """The soft limit is `soft`, or the hard one if that is lower; returns what it was before."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return before


def become_subreaper(on: bool = True) -> bool:
    """Adopt orphaned descendants (or no longer); returns what was set before."""
    before = ctypes.c_int()
    _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))
    return bool(before.value)


def collapse_memory() -> None:
    """The anonymous memory of this process is in huge pages, as far as there are any and it fills them.

    A fork then copies one entry for 512. A mapping that is less than nine tenths resident stays as it is, for a huge
    page is resident as a whole; so does all where the system's owner has said `never`, or Linux is older than 6.1.
    """
    try:
        allowed = "[never]" not in (_THP / "enabled").read_text(encoding="ascii")
        size = int((_THP / "hpage_pmd_size").read_text(encoding="ascii"))
    except OSError:
        return
    for begin, end in _full_mappings() if allowed else ():
        first, last = -(-begin // size) * size, end // size * size
        if first < last:  # what the kernel refuses stays as it is
            _libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _MADV_COLLAPSE)


def _full_mappings() -> Iterator[tuple[int, int]]:
    """Addresses of anonymous memory that is written, and nearly all there."""
    for begin, end, resident_kib in _ANONYMOUS.findall(Path("/proc/self/smaps").read_text(encoding="ascii")):
        mapping = int(begin, 16), int(end, 16)
        if int(resident_kib) * 1024 >= _FULL * (mapping[1] - mapping[0]):
            yield mapping
