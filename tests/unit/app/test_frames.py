"""Tracebacks as their readers want them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from prefork import errors
from prefork.app.frames import own_traceback
from prefork.app.naming import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def connected() -> Iterator[None]:
    try:
        json.loads("{")
    except ValueError as error:
        raise OSError("no settings") from error
    yield


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any
        call()
    return caught.value


def files(text: str) -> list[str]:
    return [line.split('"')[1].rpartition("/")[2] for line in text.splitlines() if line.startswith("  File ")]


def test_a_traceback_begins_at_the_users_first_line_and_so_does_each_of_its_causes() -> None:
    error = raised(connected().__enter__)
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # from contextlib on
    text = own_traceback(error)
    assert files(text) == ["test_frames.py", "__init__.py", "decoder.py", "decoder.py", "test_frames.py"]
    assert "direct cause" in text
    assert text.endswith("OSError: no settings\n")


def test_lines_of_libraries_alone_are_all_shown() -> None:
    error = raised(lambda: json.loads("{"))
    while error.__traceback__ and error.__traceback__.tb_frame.f_code.co_filename == __file__:
        error.__traceback__ = error.__traceback__.tb_next
    assert files(own_traceback(error)) == ["__init__.py", "decoder.py", "decoder.py"]


def test_our_own_lines_are_shown_where_there_are_no_others() -> None:
    error = raised(lambda: name_of(object()))
    while error.__traceback__ and error.__traceback__.tb_frame.f_code.co_filename == __file__:
        error.__traceback__ = error.__traceback__.tb_next
    assert isinstance(error, errors.AppError)
    assert files(own_traceback(error)) == ["naming.py", "naming.py"]
