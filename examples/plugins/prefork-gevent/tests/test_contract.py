from collections.abc import Iterator
from importlib import metadata

import pytest

from prefork.testing.contract import BackendContract, TlsContract


@pytest.fixture(autouse=True, scope="module")
def entry_points_are_read_once() -> Iterator[None]:
    """Else each worker reads those of every distribution 25 times over, when gevent tells that it patches."""
    every = metadata.entry_points()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "entry_points", every.select)
        yield


class TestGevent(BackendContract):
    backend = "gevent"


class TestGeventOverTls(TlsContract):
    backend = "gevent"
