"""The lifespan of an ASGI app, once a worker: its startup before READY, its shutdown after the last session.

Theory. The app is called once with a scope of its own, in a task, and told `lifespan.startup`, much later
`lifespan.shutdown`; it answers each by `complete` or `failed`. Anything else that it says is refused where it says it.
An app that raises, or returns, without an answer to the first has none ("auto"). Source: the ASGI specification,
Lifespan Protocol 2.0.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal

from prefork.app.frames import joined
from prefork.errors import PreforkError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("prefork.worker")


class LifespanError(PreforkError):
    """The app's startup failed: this worker can't serve."""


class Lifespan:
    """Of one worker."""

    def __init__(self, app: Callable[..., Any], kind: Literal["auto", "on", "off"]) -> None:
        """`kind` as uvicorn's: `auto` takes an app that has no lifespan, `off` doesn't ask."""
        self.state: dict[str, Any] = {}
        """What the app's startup leaves for its requests; each gets a shallow copy."""
        self._app = app
        self._kind = kind
        self._orders: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._asked = ""
        """What it was told last, and has not answered."""
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Raises LifespanError in one line; the app's own exception, where there is one, is its cause."""
        if self._kind == "off":
            return
        self._task = asyncio.get_running_loop().create_task(self._live(), name="lifespan")
        answer = await self._ask("startup")
        if answer is None:
            self._without()
        elif answer["type"] != "lifespan.startup.complete":
            await asyncio.wait([self._task], timeout=1)
            error = self._task.exception() if self._task.done() else None
            raise LifespanError(f"lifespan startup failed: {_why(answer, error)}") from error

    async def shutdown(self, seconds: float) -> None:
        """For as long at most; a failure is logged, for the worker ends anyway."""
        if self._task is None or self._task.done():
            return
        try:
            async with asyncio.timeout(seconds):
                answer = await self._ask("shutdown")
                await asyncio.wait([self._task])
        except TimeoutError:
            _log.error("lifespan shutdown is not over at the end of the drain")
            return
        error = self._task.exception() if self._task.done() and not self._task.cancelled() else None
        if error is not None or answer is None or answer["type"] != "lifespan.shutdown.complete":
            _log.error("lifespan shutdown failed: %s", _why(answer or {}, error), exc_info=error)

    def _without(self) -> None:
        """The app has no lifespan, or its code failed before it answered."""
        assert self._task is not None
        error = self._task.exception()
        if self._kind == "on":
            raise LifespanError(f"lifespan startup failed: {_why({}, error)}") from error
        if error is not None:
            _log.info("the app has no lifespan: %s", _why({}, error))

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._app(scope, self._orders.get, self._answer)

    async def _answer(self, message: dict[str, str]) -> None:
        """As the app's `send`."""
        asked, said = self._asked, message["type"]
        if not asked or said not in (f"{asked}.complete", f"{asked}.failed"):
            raise RuntimeError(f"{said!r} is no answer to {asked or 'anything'!r}")
        self._asked = ""
        self._answers.put_nowait(message)

    async def _ask(self, what: str) -> dict[str, str] | None:
        """The app's answer; None: it ended without one."""
        assert self._task is not None
        self._asked = f"lifespan.{what}"
        self._orders.put_nowait({"type": self._asked})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait([answer, self._task], return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return None if self._answers.empty() else self._answers.get_nowait()


def _why(answer: dict[str, str], error: BaseException | None) -> str:
    """As one line: of a traceback, which some frameworks send, the last one."""
    if error is not None:
        return joined(f"{type(error).__name__}: {error}")
    lines = answer.get("message", "").strip().splitlines()
    return lines[-1] if lines else "the app says no more"
