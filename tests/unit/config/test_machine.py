"""`max_workers = "auto"`: what a machine is read to be, and how many workers it is good for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from prefork.errors import ConfigError
from prefork.layers import machine
from prefork.layers.machine import Machine, auto_workers, this_machine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.conftest import Project

GIB = 2**30
ROOMY = Machine(affinity=4, quota=None, memory=64 * GIB, limit=None)


@pytest.mark.parametrize(
    ("one", "one_session", "workers"),
    [
        pytest.param(ROOMY, False, 16, id="four a CPU"),
        pytest.param(ROOMY, True, 64, id="sixteen, where each has one session"),
        pytest.param(ROOMY._replace(quota=2.0), False, 8, id="a quota"),
        pytest.param(ROOMY._replace(quota=1.5), False, 8, id="is rounded up"),
        pytest.param(ROOMY._replace(quota=0.1), False, 4, id="to one at least"),
        pytest.param(ROOMY._replace(quota=99.0), False, 16, id="and no more than the affinity"),
        pytest.param(ROOMY._replace(memory=GIB), False, 8, id="half of the memory"),
        pytest.param(ROOMY._replace(limit=GIB // 2), False, 4, id="or of the cgroup's"),
        pytest.param(ROOMY._replace(memory=GIB, limit=64 * GIB), False, 8, id="whichever is less"),
        pytest.param(ROOMY._replace(memory=1), False, 1, id="one at least"),
        pytest.param(ROOMY._replace(affinity=9999, memory=2**60), True, 10_000, id="as many as a config may say"),
    ],
)
def test_how_many_workers_a_machine_is_good_for(one: Machine, workers: int, *, one_session: bool) -> None:
    assert auto_workers(one, one_session=one_session).workers == workers


def test_the_arithmetic_is_told() -> None:
    assert auto_workers(ROOMY, one_session=False).arithmetic == (
        "least of 16 = 4 for each of 4 CPUs (affinity 4) and 512 = half of 64GiB (the machine) at 64MiB each"
    )
    small = ROOMY._replace(quota=1.5, limit=GIB)
    assert auto_workers(small, one_session=True).arithmetic == (
        "least of 32 = 16 for each of 2 CPUs (affinity 4, quota 1.5) and 8 = half of 1GiB (the cgroup) at 64MiB each"
    )


def write(root: Path, **files: str) -> Path:
    """`__` in a name is a slash, `_dot_` a dot."""
    for name, text in {"proc__meminfo": "MemFree: 1 kB\nMemTotal:  2048 kB\n", **files}.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_version_2_has_the_least_on_the_way_to_the_root(tmp_path: Path) -> None:
    found = this_machine(
        write(
            tmp_path,
            proc__self__cgroup="0::/shop/web\n",
            sys__fs__cgroup__shop__web__cpu_dot_max="max 100000\n",
            sys__fs__cgroup__shop__web__memory_dot_max="3000000\n",
            sys__fs__cgroup__shop__cpu_dot_max="250000 100000\n",
            sys__fs__cgroup__shop__memory_dot_max="2000000\n",
        )
    )
    assert found == Machine(len(os.sched_getaffinity(0)), 2.5, 2048 * 1024, 2_000_000)


def test_a_path_that_is_not_mounted_here_leaves_what_is(tmp_path: Path) -> None:
    found = this_machine(
        write(
            tmp_path,
            proc__self__cgroup="0::/docker/0123\n",
            sys__fs__cgroup__cpu_dot_max="50000 100000",
            sys__fs__cgroup__memory_dot_max="max",
        )
    )
    assert (found.quota, found.limit) == (0.5, None)


def test_version_1_has_a_tree_for_each_controller(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        proc__self__cgroup="4:cpu,cpuacct:/web\n3:memory:/web\n2:pids:/web\n1:name=systemd:/web\n",
        sys__fs__cgroup__memory__web__memory_dot_limit_in_bytes="5000000\n",
        sys__fs__cgroup__memory__memory_dot_limit_in_bytes="9223372036854771712\n",
    )
    assert this_machine(root)[1:] == (None, 2048 * 1024, 5_000_000)
    for folder, quota in (("cpu__web", "-1"), ("cpu", "150000")):
        write(
            tmp_path,
            **{f"sys__fs__cgroup__{folder}__cpu_dot_cfs_quota_us": quota},
            **{f"sys__fs__cgroup__{folder}__cpu_dot_cfs_period_us": "100000"},
        )
    assert this_machine(root).quota == 1.5


def test_a_machine_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    assert this_machine(write(tmp_path))[1:] == (None, 2048 * 1024, None)
    (tmp_path / "proc/meminfo").unlink()
    assert this_machine(tmp_path).memory > 2**20


def test_the_machine_here_can_be_read() -> None:
    here = this_machine()
    assert here.affinity >= 1
    assert here.memory > 2**20


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "this_machine", lambda: ROOMY)


APP = 'app = "a:b"\n'


@pytest.mark.usefixtures("roomy")
def test_auto_is_a_number_when_the_config_is_judged(project: Project) -> None:
    project.write("prefork.toml", APP + '[pool]\nmax_workers = "auto"\n')
    loaded = project.load()
    assert loaded.config.pool.max_workers == 16
    assert loaded.auto.startswith("least of 16")
    assert loaded.origins["pool.max_workers"] == "prefork.toml"
    assert project.load(environ={"PREFORK_POOL_MAX_SESSIONS": "1"}).config.pool.max_workers == 64
    assert project.load(environ={"PREFORK_POOL_MAX_WORKERS": "3"}).auto == ""
    project.write("prefork.toml", APP)
    assert project.load(flags={"pool": {"max_workers": "auto"}}).config.pool.max_workers == 16
    assert project.load().auto == ""


@pytest.mark.usefixtures("roomy")
def test_a_min_over_what_auto_is_is_a_contradiction(project: Project) -> None:
    project.write("prefork.toml", APP + '[pool]\nmax_workers = "auto"\nmin_workers = 17\n')
    with pytest.raises(ConfigError, match=r"min_workers \(17\) is over max_workers \(16\)"):
        project.load()


def test_a_cpu_that_is_shared_by_many_is_one_cpu() -> None:
    assert auto_workers(ROOMY._replace(quota=0.001), one_session=False).workers == machine.PER_CPU
