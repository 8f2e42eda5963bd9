"""The commands' names, and what becomes of errors: one line on stderr, an exit code, no traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

from prefork.cli.mistakes import sentence
from prefork.errors import AppError, PreforkError

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
_UNWRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What a full disk or a dead terminal says of stdout."""
_COMMANDS = {
    "serve": "Serve APP until a stop.",
    "check": "Check the config and the app: print each number, where it comes from, and which loops can run the app.",
    "simulate": "Play a load on a pool that isn't there, and tell what it would have been like.",
    "tune": "Find the settings for a load: the frontier of wait, workers and churn, and the suggested config.",
    "schema": "Print the JSON Schema of the config, or its reference as Markdown.",
    "backends": "List the loops that can run in a worker, and how each runs each style of app.",
    "status": "Show a running instance: pool, workers, the last decisions and their reasons.",
    "stop": "Stop a running instance and wait until it is gone.",
    "pause": "Accept nobody any more, in all workers or in one; sessions go on.",
    "resume": "Take the operator's pause back.",
    "scale": "Keep N workers, or between LOW..HIGH, or as many as the config says: auto.",
    "reload": "Read config and code again; every worker is replaced, no session lost.",
    "drain": "Let one worker finish its sessions and go; another takes its place.",
    "why": "Tell in plain words what happened to a worker, or at a time, and why.",
    "replay": "Decide at every recorded look again: the same, or as another config would have it.",
}
"""Each in a module of its own name, or in `orders`."""
_ORDERS = ("pause", "resume", "scale", "reload", "drain")
_EPILOGUE = (
    "Each flag of `serve` is also a key of prefork.toml and a variable: --pool.max-workers, max_workers in [pool], "
    "PREFORK_POOL_MAX_WORKERS. Flags come before variables, variables before files."
)

_EXAMPLES = {
    "simulate": "Examples: prefork simulate -c prefork.toml --traffic flash:base=5,peak=100 --expect "
    "'p99_wait < 50ms'; prefork simulate -c new.toml --against prefork.toml --traffic requests.csv:count=hits "
    "--length pareto:200ms --seeds 5 --report report.html.",
    "tune": "Example: prefork tune -c prefork.toml --traffic requests.csv:count=hits --length 200ms --wait 50ms "
    "--share 1% --flaps 10.",
}


def command_line() -> App:
    """Return the commands; each one's module is imported when it runs."""
    app = App(
        name="prefork",
        help="A pool of worker processes under TCP servers.",
        help_epilogue=_EPILOGUE,
        help_format="plaintext",
        version=_version,
        version_flags=["--version", "-V"],
        result_action="return_value",
    )
    for name, text in _COMMANDS.items():
        module = "orders" if name in _ORDERS else name
        epilogue = _EXAMPLES.get(name, _EPILOGUE)
        app.command(f"prefork.cli.{module}:{name}", name=name, help=text, help_epilogue=epilogue)
    journal = App(name="journal", help="What a pool saw and decided, kept.", help_format="plaintext")
    journal.command("prefork.cli.journal:export", name="export", help="Write what a journal tells in another form.")
    app.command(journal)
    return app


def run(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    try:
        code = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up_stdout()
        code = BROKEN_PIPE
    except SystemExit as error:  # rich has met a broken pipe, and would have it be 1
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        code = BROKEN_PIPE
    except OSError as error:
        if error.errno not in _UNWRITTEN:
            raise
        _give_up_stdout()
        complain(f"stdout: {error.strerror}")
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    return code


def _run(argv: Sequence[str]) -> int:
    app = command_line()
    try:
        command, bound, _ = app.parse_args(list(argv), exit_on_error=False, print_error=False, verbose=False)
        code = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        complain(sentence(error))
        return USAGE
    except PreforkError as error:
        complain(str(error))
        if isinstance(error, AppError) and error.frames:
            print(error.frames.rstrip(), file=sys.stderr)  # noqa: T201 - as serve does
        return error.exit_code
    return code if isinstance(code, int) else 0


def _give_up_stdout() -> None:
    """Else the interpreter's own last flush complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """Say it on stderr, in one line."""
    print("prefork:", " ".join(text.split()), file=sys.stderr)  # noqa: T201 - the command line speaks here


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 30 ms that nothing else needs

    try:
        return version("prefork")
    except PackageNotFoundError:
        return "not installed"
