"""What this process may use of the machine, and how many workers that is: `max_workers = "auto"`.

Theory. The CPUs are those of the affinity, and no more than a cgroup's quota, its parents' included; memory is the
machine's, and no more than a cgroup's limit. Version 2 of cgroups has one tree; version 1 one for each controller. In a
container the path that the kernel names may lie outside of what is mounted: then what is mounted is the container's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.config import MAX_WORKERS
from prefork.policy.units import size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AUTO = "auto"
PER_CPU = 4
"""A loop with many sessions uses a whole CPU; some of them wait for others."""
PER_CPU_ONE_SESSION = 16
"""A worker with one session mostly waits: for its client, for a database."""
WORKER_BYTES = 64 * 2**20
"""What is reckoned for a worker: 7 MiB of its own that prefork needs, and the app's."""
_NO_LIMIT_V1 = 2**60
"""Version 1 has no word for no limit, and tells a number of pages near 2**63."""


class Machine(NamedTuple):
    """What may be used."""

    affinity: int
    """CPUs."""
    quota: float | None
    """CPUs, of the cgroup; None: no limit."""
    memory: int
    """Bytes of the machine."""
    limit: int | None
    """Bytes, of the cgroup; None: no limit."""


class Auto(NamedTuple):
    """A number of workers, and how it came about."""

    workers: int
    arithmetic: str


def auto_workers(machine: Machine, *, one_session: bool) -> Auto:
    """Return the most workers that the machine is good for; `one_session`: each holds one at a time."""
    cpus = machine.affinity if machine.quota is None else min(machine.affinity, max(1, -int(-machine.quota // 1)))
    memory = machine.memory if machine.limit is None else min(machine.memory, machine.limit)
    each = PER_CPU_ONE_SESSION if one_session else PER_CPU
    by_cpu, by_memory = each * cpus, memory // 2 // WORKER_BYTES
    workers = max(1, min(by_cpu, by_memory, MAX_WORKERS))
    why_cpu = f"affinity {machine.affinity}" + (f", quota {machine.quota:g}" if machine.quota is not None else "")
    why_memory = "the machine" if machine.limit is None or machine.memory <= machine.limit else "the cgroup"
    arithmetic = (
        f"least of {by_cpu} = {each} for each of {cpus} CPUs ({why_cpu}) and "
        f"{by_memory} = half of {size_text(memory >> 20 << 20)} ({why_memory}) at {size_text(WORKER_BYTES)} each"
    )
    return Auto(workers, arithmetic)


def this_machine(root: Path = Path("/")) -> Machine:
    """Read what this process may use; `root`: where proc and sys are."""
    found = [*_cgroups(root)]
    return Machine(
        affinity=len(os.sched_getaffinity(0)),
        quota=min((quota for quota, _ in found if quota is not None), default=None),
        memory=_total_memory(root),
        limit=min((limit for _, limit in found if limit is not None), default=None),
    )


def _cgroups(root: Path) -> Iterator[tuple[float | None, int | None]]:
    """The quota and the limit of each cgroup that this process is in, up to the root of its tree."""
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield from _up(mounted, path, _version_2)
        elif {"cpu", "memory"} & set(controllers.split(",")):
            names = (controllers, *controllers.split(","))
            trees = [mounted / name for name in names if (mounted / name).is_dir()]
            yield from _up(trees[0], path, _version_1) if trees else ()


def _up(
    tree: Path, path: str, read: Callable[[Path], tuple[float | None, int | None]]
) -> Iterator[tuple[float | None, int | None]]:
    """Read a folder of the tree and all above it, as far as they are mounted here."""
    folder = tree / path.lstrip("/")
    for each in (folder, *folder.parents):
        if each.is_dir() and each.is_relative_to(tree):
            yield read(each)


def _version_2(folder: Path) -> tuple[float | None, int | None]:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    memory = _text(folder / "memory.max")
    return _ratio(quota, period), int(memory) if memory.isdigit() else None


def _version_1(folder: Path) -> tuple[float | None, int | None]:
    quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    memory = _text(folder / "memory.limit_in_bytes")
    return _ratio(quota, period), int(memory) if memory.isdigit() and int(memory) < _NO_LIMIT_V1 else None


def _ratio(quota: str, period: str) -> float | None:
    """Return how many CPUs a quota is; `max` and -1 are no limit."""
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _total_memory(root: Path) -> int:
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _text(path: Path) -> str:
    """Return a file of the kernel's; empty where there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
