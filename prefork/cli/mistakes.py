"""What cyclopts couldn't parse, as one line that names what was typed and what to type instead."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from cyclopts import (
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

if TYPE_CHECKING:
    from cyclopts import CycloptsError


def sentence(error: CycloptsError) -> str:
    """Return the line."""
    match error:
        case UnknownOptionError():
            return _unknown_flag(error)
        case UnknownCommandError():
            return _unknown_command(error)
        case MissingArgumentError(argument=argument) if argument is not None:
            return f"{error.keyword or argument.name}: it needs a value"
        case RepeatArgumentError():
            return f"{error.token.keyword}: it is there twice"
        case UnusedCliTokensError():
            unused = error.unused_tokens or []
            return f"{unused[0] if unused else ''!r}: one word too many"
        case _:
            return str(error)


def _unknown_flag(error: UnknownOptionError) -> str:
    flag = (error.token.keyword or error.token.value).split("=", 1)[0]
    known = [name for argument in error.argument_collection for name in argument.names if name.startswith("-")]
    close = get_close_matches(flag, known, n=1)
    if flag.startswith("--backends."):
        return f"{flag}: the options of a backend are read from a file: [backends.NAME]"
    return f"{flag}: unknown flag; {f'did you mean {close[0]}?' if close else 'see --help'}"


def _unknown_command(error: UnknownCommandError) -> str:
    word = (error.unused_tokens or [""])[0]
    commands = [name for name in error.app or () if not name.startswith("-")] if error.app else []
    if word.startswith("-"):
        return f"{word}: a command comes first: {', '.join(commands)}"
    if ":" in word:
        return f"{word!r}: unknown command; did you mean prefork serve {word}?"
    close = get_close_matches(word, commands, n=1)
    return f"{word!r}: unknown command; {f'did you mean {close[0]}?' if close else 'known: ' + ', '.join(commands)}"
