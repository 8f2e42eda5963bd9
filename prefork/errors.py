"""What can go wrong, seen from outside: the user's mistake, or ours. Each carries the exit code of the command line."""

from __future__ import annotations


class PreforkError(Exception):
    """Anything prefork raises on purpose; `str(error)` is one line that names the operation, the value and the cure."""

    exit_code = 1


class ConfigError(PreforkError):
    """A setting, flag, file or address that can't be used: nothing was started, or what was started is gone."""

    exit_code = 2


class AppError(ConfigError):
    """The user's app can't be found, named or imported.

    `frames` holds the user's own frames of the traceback, oldest first, as printed text; empty when there are none.
    """

    def __init__(self, message: str, frames: str = "") -> None:
        super().__init__(message)
        self.frames = frames


class ExpectationError(PreforkError):
    """A simulated run is not what was expected of it."""

    exit_code = 3


class BootError(PreforkError):
    """No worker of the first generation ever became ready, and the crash tokens are spent."""

    exit_code = 4


class BugError(PreforkError):
    """A state that can't be: a bug in prefork. The message says so and asks for a report."""

    exit_code = 70

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} (this is a bug in prefork: please report it)")
