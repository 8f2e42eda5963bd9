"""`python -m prefork.mold FD`: started by the master alone, with the channel open as FD."""

from __future__ import annotations

import socket
import sys

from prefork.mold.mold import Mold


def main() -> None:
    """Be a mold until the master closes the channel."""
    Mold(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
