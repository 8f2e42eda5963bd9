"""Long computations on all cores: one process a core, forked, each of which ends with this one.

Theory. Tasks are closures that the children have by the fork; an index goes one way, news come back: how far it is,
then its result or what it raised. An end of a channel is a death. Nobody but this process hears Ctrl-C; on the way
out, whatever the way, it ends the others and waits for them. No thread is started here, so the fork is of a process
with one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from prefork.errors import PreforkError
from prefork.mold.linux import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Result = TypeVar("Result")
Tell = Callable[[float], None]
"""Hears how far a task is, from 0 to 1."""


class _Done(NamedTuple, Generic[Result]):
    result: Result | None
    error: Exception | None


def on_cores(
    tasks: Sequence[Callable[[Tell], Result]], cores: int, told: Callable[[int, float], None]
) -> Iterator[tuple[int, Result]]:
    """Run each task(tell) and yield (index, result) as they are done; `told(index, share)` hears how far each is.

    What a task raises is raised here, and ends the others. Raises PreforkError where a process died.
    """
    if min(cores, len(tasks)) < 2:  # noqa: PLR2004 - nobody to share with
        for index, task in enumerate(tasks):
            yield index, task(partial(told, index))
        return
    with _children(tasks, min(cores, len(tasks))) as children, closing(_shared(tasks, children, told)) as results:
        yield from results


def _shared(
    tasks: Sequence[Callable[[Tell], Result]],
    children: dict[Any, BaseProcess],
    told: Callable[[int, float], None],
) -> Generator[tuple[int, Result]]:
    left, busy = iter(range(len(tasks))), dict[Any, int]()
    for channel in children:
        _give(channel, left, busy)
    while busy:
        for channel in wait(list(busy)):
            news = _news(channel, children)
            if isinstance(news, float):
                told(busy[channel], news)
                continue
            if news.error is not None:
                raise news.error
            index = busy.pop(channel)
            _give(channel, left, busy)
            yield index, news.result


def _give(channel: Any, left: Iterator[int], busy: dict[Any, int]) -> None:  # noqa: ANN401 - as `wait` returns it
    index = next(left, None)
    if index is not None:
        busy[channel] = index
        with suppress(BrokenPipeError):  # it is gone, as its channel's end will tell
            channel.send(index)


def _news(channel: Any, children: dict[Any, BaseProcess]) -> Any:  # noqa: ANN401 - what a child sends
    try:
        return channel.recv()
    except (EOFError, ConnectionResetError):
        child = children[channel]
        child.join()
        code = child.exitcode or 0
        how = f"by signal {-code}: is there too little memory?" if code < 0 else f"with exit code {code}"
        raise PreforkError(f"a process that computed a run ended {how}") from None


@contextmanager
def _children(tasks: Sequence[Any], cores: int) -> Iterator[dict[Any, BaseProcess]]:
    """Start so many; all are gone afterwards."""
    context, children = get_context("fork"), dict[Any, Any]()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        try:
            for _ in range(cores):
                ours, theirs = context.Pipe()
                child = context.Process(target=_compute, args=(tasks, theirs, [*children, ours], os.getpid()))
                child.start()
                children[ours] = child
                theirs.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        yield children
    finally:
        for child in children.values():
            child.kill()
        for channel, child in children.items():
            child.join()
            channel.close()


def _compute(tasks: Sequence[Any], channel: Connection, others: list[Connection], parent: int) -> None:
    """Be a child: compute what is asked until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    die_with_parent(signal.SIGKILL)
    for other in others:
        other.close()
    while os.getppid() == parent:
        try:
            index = channel.recv()
        except EOFError:
            return
        try:
            channel.send(_Done(tasks[index](channel.send), None))
        except (PreforkError, ValueError) as error:
            channel.send(_Done(None, error))
