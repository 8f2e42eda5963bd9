"""The worker's epoll as the selector of an asyncio loop: each select is a turn, and returns what is the loop's own."""

from __future__ import annotations

import contextlib
import select
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prefork.backends.turns import MAX_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.backends.turns import Turns

    FileDescriptorLike = Any
    """An int, or an object with a fileno()."""

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class TurnSelector(selectors.BaseSelector):
    """Selects for one asyncio loop; `serves` is set when the worker has started."""

    def __init__(self, turns: Turns) -> None:
        self.serves = False
        """Whether a select is a turn as well."""
        self.done: Callable[[], None] = _nothing
        """Called in each turn after which the worker is done."""
        self._turns = turns
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._map = _Watched(self._keys)

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401
        """Watch. Raises KeyError for what is watched already, ValueError for what can't be."""
        fd = _fd(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self._turns.epoll.register(fd, _mask(events))
        self._keys[fd] = key
        return key

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401
        """Watch for other events. Raises KeyError for what isn't watched."""
        fd = _fd(fileobj)
        old = self._keys[fd]
        if old.events != events:
            self._turns.epoll.modify(fd, _mask(events))
        self._keys[fd] = key = selectors.SelectorKey(old.fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Watch no more. Raises KeyError for what isn't watched."""
        fd = _fd(fileobj)
        key = self._keys.pop(fd)
        with contextlib.suppress(OSError):  # it was closed before
            self._turns.epoll.unregister(fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait, serve the worker's share, return the loop's."""
        turns = self._turns
        if not self.serves:
            return self._of_the_loop(turns.epoll.poll(timeout, MAX_EVENTS))
        lags = False
        if turns.host.dirty:
            turns.host.flush()
            lags = turns.door.lags
        turns.ended()
        patience = 0 if lags else turns.patience()
        events = turns.epoll.poll(patience if timeout is None or timeout > patience else max(0, timeout), MAX_EVENTS)
        turns.began(events)
        if turns.is_done:
            self.done()
        return self._of_the_loop(events)

    def _of_the_loop(self, events: list[tuple[int, int]]) -> list[tuple[selectors.SelectorKey, int]]:
        find = self._keys.get
        return [
            (key, _READ if mask == select.EPOLLIN else _events(mask) & key.events)
            for fd, mask in events
            if (key := find(fd)) is not None
        ]

    def close(self) -> None:
        """The epoll is closed by its owner."""
        self._keys.clear()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        """What is the loop's own, by descriptor."""
        return self._map

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """The key of what is watched. Raises KeyError."""
        return self._keys[_fd(fileobj)]


class _Watched(Mapping["FileDescriptorLike", selectors.SelectorKey]):
    """The keys, found by a descriptor or by an object that has one: asyncio asks for what its caller gave it."""

    def __init__(self, keys: Mapping[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: FileDescriptorLike, /) -> selectors.SelectorKey:
        return self._keys[_fd(fileobj)]

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _nothing() -> None:
    """What is called until the loop says otherwise."""


def _fd(fileobj: FileDescriptorLike) -> int:
    """The descriptor. Raises ValueError for what has none."""
    fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd


def _mask(events: int) -> int:
    return (select.EPOLLIN if events & _READ else 0) | (select.EPOLLOUT if events & _WRITE else 0)


def _events(mask: int) -> int:
    """As `selectors` has it: an error is both."""
    return (_READ if mask & ~select.EPOLLOUT else 0) | (_WRITE if mask & ~select.EPOLLIN else 0)
