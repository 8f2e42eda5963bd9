"""An await that the loop can't serve, told in one sentence: what was awaited, where, and what to do instead.

Theory. A coroutine that is driven by hand can wait for its connection alone. asyncio, trio and those built on them
notice most times that their loop isn't there, and raise RuntimeError; else they yield an object of their own to a
driver that doesn't know it. Either way the user's line is the last one before that library's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType

_LIBRARIES: Final = frozenset({"asyncio", "uvloop", "trio", "anyio", "sniffio", "curio"})
_OURS: Final = "prefork.app."
_CURE: Final = (
    "on this loop a coroutine awaits what its conn offers (receive, send, sleep, offload …); "
    "for asyncio's own awaits say backend = 'asyncio'"
)


class ForeignAwaitError(RuntimeError):
    """Its sentence has the line: a traceback would say no more."""


def sentence_of(coroutine: Coroutine[Any, Any, object], waited_for: object) -> str:
    """What to say of `waited_for`, which `coroutine` has yielded just now."""
    frames = []
    inner: Any = coroutine
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)
        if frame is not None:
            frames.append((frame, frame.f_lineno))
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
    if getattr(waited_for, "wake", None) is not None and _module(frames[-1][0]).startswith(_OURS):
        place = _place(frames, _is_ours)[0]
        return f"await of another session's conn at {place}: use its send_nowait"
    place, what = _place(frames, _is_foreign)
    return f"await of {what or f'a {type(waited_for).__qualname__}'} at {place}: {_CURE}"


def told(error: BaseException) -> BaseException:
    """`error`, or in its place the sentence, where it says that a library's loop is missing."""
    if not isinstance(error, RuntimeError) or error.__traceback__ is None:
        return error
    frames = []
    at = error.__traceback__
    while at is not None:
        frames.append((at.tb_frame, at.tb_lineno))
        at = at.tb_next  # type: ignore[assignment]
    if not _is_foreign(frames[-1][0]):
        return error
    place, what = _place(frames, _is_foreign)
    instead = ForeignAwaitError(f"await of {what} at {place}: {_CURE}")
    instead.__cause__ = error
    return instead.with_traceback(error.__traceback__)


def _place(frames: list[tuple[FrameType, int]], library: Any) -> tuple[str, str]:  # noqa: ANN401 - a predicate
    """The user's last line, and the library's function that it calls, if it calls one."""
    what = ""
    for frame, line in reversed(frames):
        if not library(frame):
            return f"{frame.f_code.co_filename}, line {line}", what
        what = f"{_module(frame).partition('.')[0]}'s {frame.f_code.co_qualname}"
    return "an unknown place", what


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_foreign(frame: FrameType) -> bool:
    return _module(frame).partition(".")[0] in _LIBRARIES


def _is_ours(frame: FrameType) -> bool:
    return _module(frame).startswith(_OURS)
