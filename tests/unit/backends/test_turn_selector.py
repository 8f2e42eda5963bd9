"""The selector that asyncio is given finds what it watches by descriptor and by object, as the standard ones do."""

from __future__ import annotations

import select
import selectors
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from prefork.backends.turn_selector import TurnSelector

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["ours", "standard"])
def selector(request: pytest.FixtureRequest) -> Iterator[selectors.BaseSelector]:
    with select.epoll() as epoll, selectors.EpollSelector() as standard:
        yield TurnSelector(cast("Any", SimpleNamespace(epoll=epoll))) if request.param == "ours" else standard


def test_a_key_is_found_by_the_object_that_was_registered(selector: selectors.BaseSelector) -> None:
    one, other = socket.socketpair()
    with one, other:
        key = selector.register(one, selectors.EVENT_READ)
        found = selector.get_map()
        assert found.get(one) == found[one.fileno()] == selector.get_key(one) == key
        assert found.get(other) is None
        assert [*found] == [one.fileno()]
        assert len(found) == 1
