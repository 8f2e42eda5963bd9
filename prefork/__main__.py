"""`python -m prefork`, and the `prefork` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return its exit code."""
    if sys.argv[1:2] == ["serve"]:
        from prefork.master.signals import hold_signals  # noqa: PLC0415 - no other command becomes a master

        hold_signals()
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from prefork.log import reopen_standard_streams  # noqa: PLC0415 - seldom needed

        reopen_standard_streams()
    from prefork.cli.main import run  # noqa: PLC0415 - a Ctrl-C during the imports is an interrupt like any other

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
