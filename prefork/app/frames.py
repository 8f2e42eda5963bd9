"""A traceback as its reader wants it: from the user's own first line on, without prefork's machinery."""

from __future__ import annotations

import os
import traceback
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_OURS = str(Path(__file__).resolve().parent.parent) + os.sep
_LIBRARY = str(Path(os.__file__).parent) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def own_frames(error: BaseException) -> str:
    """The traceback as printed text, without importlib's frames and prefork's; empty when none is the user's."""
    frames = _theirs(traceback.extract_tb(error.__traceback__))
    if not frames and not isinstance(error, SyntaxError):
        return ""
    return "".join([*traceback.format_list(frames), *traceback.format_exception_only(error)])


def own_traceback(error: BaseException) -> str:
    """The same with its causes: from the user's first line on, or all of it where no line is the user's."""
    told = each = traceback.TracebackException.from_exception(error)
    theirs = False
    while True:
        kept = _from_the_users(_theirs(each.stack))
        theirs = theirs or bool(kept)
        each.stack = traceback.StackSummary.from_list(kept)
        cause = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if cause is None:
            return "".join(told.format() if theirs else traceback.format_exception(error))
        each = cause


def calling_file() -> str:
    """The file of the user's code that called prefork; a library's where no other leads here."""
    files = [
        each.filename for each in _theirs(reversed(traceback.extract_stack())) if not each.filename.startswith("<")
    ]
    return next((each for each in files if not _is_library(each)), next(iter(files), "the app"))


def joined(text: str) -> str:
    """All lines of a message as one."""
    return " ".join(stripped for line in text.splitlines() if (stripped := line.strip()))


def _theirs(frames: Iterable[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    return [each for each in frames if not _is_ours(each.filename)]


def _from_the_users(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Without the libraries that lead to the user's code; all of them where there is none."""
    return list(dropwhile(lambda each: _is_library(each.filename), frames)) or frames


def _is_ours(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", _OURS)) or f"{os.sep}importlib{os.sep}" in filename


def _is_library(filename: str) -> bool:
    return filename.startswith(_LIBRARY) or filename.endswith(".pyx") or any(each in filename for each in _INSTALLED)
