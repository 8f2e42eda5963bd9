"""What tests need beside Python, as in `@pytest.mark.needs("socat")`. Nothing else knows who brings it.

    python tests/needs.py     installs what is missing where it may: as root, with apt-get

While something is missing, pytest leaves out the tests that need it and says so in one line; with CI=true it runs none
(tests/conftest.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = {
    "curl": "curl",
    "nc.openbsd": "netcat-openbsd",  # by this name, because `nc` may be another one, without -N and -U
    "node": "nodejs",
    "openssl": "openssl",
    "redis-benchmark": "redis-tools",
    "redis-cli": "redis-tools",
    "socat": "socat",
    "strace": "strace",
    "wrk": "wrk",
}
"""The Debian package of each program."""
ROOT = "root"
"""Not a program: the right to do what only root may."""
APT = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]


def is_missing(need: str) -> bool:
    """Whether this machine lacks `need`."""
    if need == ROOT:
        return os.geteuid() != 0
    if need not in PACKAGES:
        raise ValueError(f"nobody knows how to get {need!r}: tests/needs.py knows {', '.join([*PACKAGES, ROOT])}")
    return shutil.which(need) is None


def cure(needs: set[str]) -> str:
    """What to do so that nothing of `needs`, which is not empty, is missing."""
    packages = sorted({PACKAGES[each] for each in needs - {ROOT}})
    steps = [f"apt-get install {' '.join(packages)}"] if packages else []
    return " and ".join(steps + ["run as root"] * (ROOT in needs))


def install() -> None:
    """Install the packages of all that is missing. A failure is told by apt-get, and judged by pytest."""
    packages = sorted({package for program, package in PACKAGES.items() if is_missing(program)})
    if packages and not is_missing(ROOT) and shutil.which("apt-get"):
        print("installing", *packages, flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for order in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            subprocess.run([*APT, *order], env=environment, stdout=sys.stderr, check=False)


if __name__ == "__main__":
    install()
