"""`python -m prefork`, and the `prefork` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return its exit code."""
    from prefork.cli.main import run  # noqa: PLC0415 - a Ctrl-C during the imports is an interrupt like any other

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
