"""`python -m prefork.mold FD`: started by the master alone, with the channel open as FD."""

from __future__ import annotations

import os
import socket
import sys

from prefork.mold.mold import Mold, flush


def main() -> None:
    """Be a mold until the master closes the channel; a thread or an exit hook of the app can't prolong that."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    Mold(channel).run()
    flush()
    os._exit(0)


if __name__ == "__main__":
    main()
