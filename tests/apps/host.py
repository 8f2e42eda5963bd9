"""A program that has children of its own and calls prefork.serve: `host.py SOCKET` prints what it saw of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import prefork
from prefork import Lines, PoolConfig, Session

if TYPE_CHECKING:
    from collections.abc import Callable


class Orphans(Session[str]):
    """Leaves a process behind for each line; `own` is one in a session of its own."""

    framer = Lines

    def received(self, line: str, /) -> None:
        child = os.fork()
        if child == 0:
            if line == "own":
                os.setsid()
            os.fork()
            os._exit(0)
        os.waitpid(child, 0)
        self.send("left")


def zombies() -> set[int]:
    """The children of this process that ended and were not waited for."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", encoding="ascii") as children:
            for pid in children.read().split():
                try:
                    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                        state = stat.read().rpartition(") ")[2][0]
                except OSError:  # waited for just now
                    continue
                if state == "Z":
                    found.add(int(pid))
    return found


def wait_for(fact: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < until, zombies()
        time.sleep(0.005)


def child(code: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])


def look(path: str, before: subprocess.Popen[bytes]) -> None:
    """With the pool at work: what it leaves behind goes, what this program started stays until it is waited for."""
    try:
        with socket.socket(socket.AF_UNIX) as sock, sock.makefile() as heard:
            wait_for(lambda: sock.connect_ex(path) == 0)
            for line in ("ordinary", "own") if os.getpid() == 1 else ("ordinary",):
                sock.sendall(line.encode() + b"\n")
                assert heard.readline() == "left\n"
            meanwhile = child(8)
            wait_for(lambda: zombies() == {before.pid, meanwhile.pid})
            print("meanwhile:", meanwhile.wait())
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    before = child(7)
    path = sys.argv[1]
    looker = threading.Thread(target=look, args=(path, before))
    looker.start()
    prefork.serve(Orphans, listen=f"unix:{path}", pool=PoolConfig(min_workers=2), control=False)
    looker.join()
    print("before:", before.wait())
    print("left:", zombies())


if __name__ == "__main__":
    main()
