"""What a process of prefork's own is called in `ps` and `top`."""

from __future__ import annotations

from prefork.mold import linux

try:
    from setproctitle import setproctitle
except ImportError:  # the extra `title` is not installed

    def setproctitle(title: str) -> None:
        """The command line stays what it was."""


def set_title(pool: str, role: str) -> None:
    """`ps` shows `prefork: POOL ROLE` where setproctitle is there; the kernel's name of the thread is `ROLE POOL`.

    Of that name 15 bytes are kept: the role comes first, since it tells one process from another.
    """
    setproctitle(f"prefork: {pool} {role}")
    linux.name_thread(f"{role} {pool}")
