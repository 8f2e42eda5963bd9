"""An App: what a pool serves, and how it is found by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from prefork.app.calls import check_hook
from prefork.app.coroutine import CoroutineSession
from prefork.app.framing import Framer, Lines, Stream
from prefork.app.naming import import_app_object
from prefork.app.session import Session
from prefork.app.styles import FRAMED, style_of
from prefork.errors import AppError

if TYPE_CHECKING:
    from asyncio import BaseProtocol
    from collections.abc import Awaitable, Callable
    from socket import socket

    from prefork.app.async_conn import AsyncConn
    from prefork.app.session import Address
    from prefork.app.styles import Style
    from prefork.app.worker import Worker

    Code = (
        Callable[[socket], object]
        | Callable[[Any, Any], object]
        | Callable[[Any, Any, Any], object]
        | Callable[[], BaseProtocol]
    )
    """What other styles look like to a type checker."""

T = TypeVar("T")

_FRAMERS = "there are: Lines, Stream, Fixed, LengthPrefixed, Netstring, JSONLines, MessagePack, H11, compose"
_NO_FRAMER = "{} names no framer: write `framer = Lines` (or Stream, ...) in its body, or give App(…, framer=Lines)"


class App:
    """What is served: a Session class, or code of another style (`styles.Style`) that the loop can run.

    `style`: for a handler whose form doesn't tell it. `framer`: for coroutines, and for sessions that name none;
    where both do, this one is taken. `admit(peer, listener)`: whether that peer may have a session; False, or an
    exception, closes the connection before one exists. `started(worker)`: called in each worker before it accepts; an
    exception fails its boot. `stopping(worker)`: called in each worker that ends in an orderly way, after its last
    session. Raises TypeError for what can't be served.
    """

    __slots__ = ("_framer", "_made", "admit", "handler", "started", "stopping", "style")

    @overload
    def __init__(
        self,
        handler: Callable[[], Session[T]],
        *,
        style: Style | None = None,
        framer: Framer[T] | type[Framer[T]] | None = None,
        admit: Callable[[Address, Address], bool] | None = None,
        started: Callable[[Worker], object] | None = None,
        stopping: Callable[[Worker], object] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        handler: Callable[[AsyncConn[bytes]], Awaitable[object]],
        *,
        style: Style | None = None,
        framer: Framer[bytes] | type[Framer[bytes]] | None = None,
        admit: Callable[[Address, Address], bool] | None = None,
        started: Callable[[Worker], object] | None = None,
        stopping: Callable[[Worker], object] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        handler: Callable[[AsyncConn[T]], Awaitable[object]],
        *,
        style: Style | None = None,
        framer: Framer[T] | type[Framer[T]],
        admit: Callable[[Address, Address], bool] | None = None,
        started: Callable[[Worker], object] | None = None,
        stopping: Callable[[Worker], object] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        handler: Code,
        *,
        style: Style | None = None,
        framer: None = None,
        admit: Callable[[Address, Address], bool] | None = None,
        started: Callable[[Worker], object] | None = None,
        stopping: Callable[[Worker], object] | None = None,
    ) -> None: ...

    def __init__(  # noqa: PLR0913 - what an app consists of
        self,
        handler: Callable[..., object],
        *,
        style: Style | None = None,
        framer: Framer[Any] | type[Framer[Any]] | None = None,
        admit: Callable[[Address, Address], bool] | None = None,
        started: Callable[[Worker], object] | None = None,
        stopping: Callable[[Worker], object] | None = None,
    ) -> None:
        for name, hook in (("admit", admit), ("started", started), ("stopping", stopping)):
            check_hook(name, hook)
        self.admit = admit
        self.started = started
        self.stopping = stopping
        self.handler: Callable[..., Any] = handler
        self.style: Style = style_of(handler, style)
        if framer is not None and self.style not in FRAMED:
            raise TypeError(
                f"framer={getattr(framer, '__name__', framer)!s:.60}: only sessions and coroutines have one, and "
                f"{getattr(handler, '__qualname__', handler)!s:.60} is of style {self.style!r}: leave it out"
            )
        self._made: tuple[object, Framer[Any]] = Lines, Lines()
        self._framer: Framer[Any] | None = None if framer is None else self.framer(framer)
        if self.style == "session" and isinstance(handler, type) and framer is None:
            self._check(handler)

    def session(self) -> Session[Any]:
        """A new session, for one connection."""
        if self.style == "coroutine":
            return CoroutineSession(self.handler, self._framer or self.framer(Stream))
        made = self.handler()
        if not isinstance(made, Session):
            raise TypeError(f"{self.handler!r:.60} made a {type(made).__qualname__}, not a Session")
        return made

    def framer_of(self, session: Session[Any]) -> Framer[Any]:
        """The framer that `session` is served with. Raises TypeError when there is none."""
        if self._framer is not None:
            return self._framer
        framer = getattr(session, "framer", None)
        if framer is None:
            raise TypeError(_NO_FRAMER.format(type(session).__qualname__))
        return self.framer(framer)

    def framer(self, given: object) -> Framer[Any]:
        """The instance that a framer or a framer class stands for; the last one is remembered. Raises TypeError."""
        of, made = self._made
        if given is of:
            return made
        if isinstance(given, type) and issubclass(given, Framer):
            made = _instance(given)
            self._made = given, made  # at once, for threads
            return made
        if isinstance(given, Framer):
            return given
        raise TypeError(f"framer {given!r:.60} is no Framer; {_FRAMERS}")

    def _check(self, handler: type) -> None:
        """Refuse at once what would fail at every connection; an `__init__` may still set a framer."""
        framer = getattr(handler, "framer", None)
        if framer is not None:
            self.framer(framer)
        elif "__init__" not in {name for base in handler.__mro__[:-1] for name in vars(base)}:
            raise TypeError(_NO_FRAMER.format(handler.__qualname__))


def _instance(framer: Callable[[], Framer[Any]]) -> Framer[Any]:
    try:
        return framer()
    except TypeError as error:
        raise TypeError(f"framer {getattr(framer, '__name__', framer)} needs arguments: {error}") from None


def load_app(name: str) -> App:
    """The App that `name` (`module:attribute`, `file.py:attribute`) stands for; a bare callable becomes App(callable).

    Raises AppError, in one line, with the user's own frames where the user's code raised.
    """
    found = import_app_object(name)
    if isinstance(found, App):
        return found
    try:
        return App(cast("Callable[..., object]", found))
    except TypeError as error:
        raise AppError(f"app {name!r}: {error}") from None
