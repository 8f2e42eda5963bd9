"""What `ps` and `top` call the processes of a pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.apps.lines import Echo

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]

ROOT = Path(__file__).parents[2]


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def pids_of(pool: LivePool) -> list[int]:
    return [pool.pid, pool.status()["mold"][0]["pid"], *pool.worker_pids().values()]


def test_every_process_says_whose_it_is_and_what_it_does(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, name="shop")
    assert [title(pid) for pid in pids_of(pool)] == [
        "prefork: shop master",
        "prefork: shop mold 1",
        "prefork: shop worker 1",
        "prefork: shop worker 2",
    ]
    assert [name(pid) for pid in pids_of(pool)] == ["master shop", "mold 1 shop", "worker 1 shop", "worker 2 shop"]


def test_another_generations_mold_says_so(prefork_pool: Start) -> None:
    pool = prefork_pool(Echo, name="shop")
    pool.signal(signal.SIGHUP)
    pool.wait_for(lambda view: [mold.generation for mold in view.molds] == [2])
    assert title(pool.status()["mold"][0]["pid"]) == "prefork: shop mold 2"


def test_without_setproctitle_the_kernels_own_name_says_as_much_as_fits(
    prefork_pool: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "setproctitle.py").write_text("raise ImportError('not installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    pool = prefork_pool(Echo, name="a-name-that-is-long")
    assert [name(pid) for pid in pids_of(pool)] == [
        "master a-name-t",
        "mold 1 a-name-t",
        "worker 1 a-name",
        "worker 2 a-name",
    ]
    assert all("prefork" in title(pid) for pid in pids_of(pool))  # as it was started


def test_a_program_that_calls_serve_keeps_its_own_title(tmp_path: Path) -> None:
    script = """
import os, socket, threading, time, signal
import prefork

def look():
    with socket.socket(socket.AF_UNIX) as sock, sock.makefile() as heard:
        until = time.monotonic() + 10
        while sock.connect_ex("sock"):
            assert time.monotonic() < until
        sock.sendall(b"pid\\n")
        worker = heard.readline().strip()
    print(*(open(f"/proc/{pid}/comm").read().strip() for pid in (os.getpid(), worker)), sep=", ")
    os.kill(os.getpid(), signal.SIGTERM)

if __name__ == "__main__":
    open("/proc/self/comm", "w").write("mine")
    threading.Thread(target=look).start()
    prefork.serve("tests.apps.lines:Echo", listen="unix:sock", control=False, name="shop")
    print(open("/proc/self/cmdline").read().split("\\0")[1])
"""
    (tmp_path / "mine.py").write_text(script)
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("mine, worker "), done.stderr
    assert lines[1:] == ["mine.py"]
