"""What a mold does to its memory before it forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_MIB = 16
_ALLOWED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_COLLAPSES = [int(each) for each in os.uname().release.split(".")[:2]] >= [
    6,
    1,
] and "[never]" not in _ALLOWED.read_text()
_CODE = """
import mmap, re
from pathlib import Path
from prefork.mold import linux

def told():
    text = Path("/proc/self/smaps_rollup").read_text()
    return [int(re.search(name + ": +([0-9]+) kB", text)[1]) // 1024 for name in ("AnonHugePages", "Rss")]

memory = mmap.mmap(-1, {mib} << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, {touched} << 20, mmap.PAGESIZE):
    memory[at] = 1
{also}
huge, before = told()
linux.collapse_memory()
more, after = told()
print(more - huge, after - before)
"""


def _grown(touched: int, also: str = "") -> tuple[int, int]:
    """MiB more in huge pages, and MiB more resident, with so many MiB of 16 touched."""
    code = _CODE.format(mib=_MIB, touched=touched, also=also)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    huge, resident = map(int, told.split())
    return huge, resident


def test_memory_that_is_all_there_goes_into_huge_pages_and_is_not_more_by_that() -> None:
    huge, resident = _grown(touched=_MIB)
    assert huge >= (_MIB - 2 if _COLLAPSES else 0)
    assert resident <= 1


def test_memory_that_is_only_half_there_does_not_become_all_there() -> None:
    assert _grown(touched=_MIB // 2)[1] <= 1


def test_an_owner_of_the_system_who_says_never_is_heeded(tmp_path: Path) -> None:
    (tmp_path / "enabled").write_text("always madvise [never]\n")
    (tmp_path / "hpage_pmd_size").write_text("2097152\n")
    assert _grown(touched=_MIB, also=f"linux._THP = Path({str(tmp_path)!r})") == (0, 0)
