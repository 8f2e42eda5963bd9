"""How a coroutine waits, and who drives it: by hand, from the session's callbacks. `task_driver` is the other way.

Theory. A *wait* is the only thing that a coroutine of ours yields. Its driver remembers nothing: whoever knows that the
wait is over (an item came, a timer fired) calls `wake`, and that runs the coroutine to its next wait, at once, inside
the callback. So what it sends leaves with the callback's other output, and an exception is the session's own.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from prefork.app.foreign import ForeignAwaitError, sentence_of, told

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

_PATIENCE = 100
"""So often a coroutine may catch the error of a foreign await and try again."""


class Wait(Protocol):
    """One thing waited for, by one coroutine, once or again and again."""

    def __await__(self) -> Generator[Any, None, None]:
        """Until `wake`."""

    def wake(self) -> None:
        """Run the coroutine that waits. Raises what leaves it, where it is driven by hand."""

    def is_of(self, driver: Driver, /) -> bool:
        """Whether the coroutine that `driver` runs is who waits, and not a task that it has made."""


class Owner(Protocol):
    """Whose coroutine it is: the session."""

    @property
    def name(self) -> str:
        """The coroutine function's."""

    @property
    def place(self) -> str:
        """Its file and line."""

    def excuses(self, error: BaseException, /) -> bool:
        """Whether `error`, which left the coroutine, says no more than that the connection is over."""

    def ended(self) -> None:
        """It has ended while none of the session's callbacks ran."""

    def ended_late(self, error: BaseException, /) -> None:
        """It raised `error` after the session's end."""


class Driver(Protocol):
    """Runs one session's coroutine."""

    done: bool
    """The coroutine has ended."""
    error: BaseException | None
    """By what it ended, where nobody could be told yet."""

    def start(self, coroutine: Coroutine[Any, Any, object], owner: Owner, /) -> None:
        """Run it to its first wait, now or soon. Raises as `Wait.wake`."""

    def new_wait(self, forget: Callable[[Wait], None], /) -> Wait:
        """Return a wait; `forget(wait)` is called if who waits is cancelled."""

    def end(self, *, interrupted: bool) -> None:
        """The session is over: see that the coroutine ends. `interrupted`: it waited for its connection, and knows."""


class HandWait:
    """A wait of a coroutine that is driven by hand."""

    __slots__ = ("wake",)

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def __await__(self) -> Generator[HandWait, None, None]:
        yield self

    def is_of(self, _driver: Driver, /) -> bool:
        """There is one alone."""
        return True


class HandDriver:
    """Drives a coroutine by hand, in a context of its own."""

    __slots__ = ("_coroutine", "_owner", "_run", "_send", "_wait", "done", "error")

    _coroutine: Coroutine[Any, Any, object]
    _owner: Owner
    _send: Callable[[None], object]

    def __init__(self) -> None:
        self._run = copy_context().run
        self._wait = HandWait(self.step)
        self.done = False
        self.error: BaseException | None = None

    def start(self, coroutine: Coroutine[Any, Any, object], owner: Owner, /) -> None:
        """Run it to its first wait."""
        self._coroutine = coroutine
        self._owner = owner
        self._send = coroutine.send
        self.step()

    def new_wait(self, _forget: Callable[[Wait], None], /) -> HandWait:
        """The one wait that there is: nobody else is driven."""
        return self._wait

    def step(self) -> None:
        """Run the coroutine to its next wait. Raises what leaves it."""
        try:
            waited_for = self._run(self._send, None)
            if waited_for is not self._wait:
                self._refuse(waited_for)
        except StopIteration:
            self.done = True
        except BaseException as error:  # noqa: BLE001 - raised, unless it says nothing
            self.done = True
            if not self._owner.excuses(error):
                raise told(error) from error.__cause__

    def end(self, *, interrupted: bool) -> None:
        """Every wait is refused by now: close it, if it was never run or awaits something foreign."""
        del interrupted
        if not self.done:
            self.done = True
            self._run(self._coroutine.close)

    def _refuse(self, waited_for: object) -> None:
        """Raise, at the foreign await, what is wrong with it."""
        for _ in range(_PATIENCE):
            error = ForeignAwaitError(sentence_of(self._coroutine, waited_for))
            waited_for = self._run(self._coroutine.throw, error)
            if waited_for is self._wait:
                return
        self._run(self._coroutine.close)
        raise error
