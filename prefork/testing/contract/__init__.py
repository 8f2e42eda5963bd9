"""The contract suite: every numbered clause of `prefork.backends.contract`, as tests of any loop.

    from prefork.testing.contract import BackendContract, TlsContract

    class TestTrio(BackendContract):
        backend = "trio"            # as in `backend = "…"`
        options = {"strict": True}  # as in `[backends.trio]`, where it has some

    class TestTrioOverTls(TlsContract):
        backend = "trio"

A test is named for its clause: `test_09_…` is about clause 9. Each starts a real worker of that loop in a forked child,
and plays the master and the peers. It wants Linux, pytest, and some seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from prefork.testing.contract.accept_clauses import AcceptClauses
from prefork.testing.contract.beat_clauses import BeatClauses
from prefork.testing.contract.client import Client
from prefork.testing.contract.conn_clauses import AppClauses, ConnClauses
from prefork.testing.contract.coroutine_clauses import CoroutineClauses
from prefork.testing.contract.harness import Worker, Workers
from prefork.testing.contract.life_clauses import LifeClauses
from prefork.testing.contract.scripted import Scripted, note
from prefork.testing.contract.session_clauses import SessionClauses
from prefork.testing.contract.stream_clauses import StreamClauses
from prefork.testing.contract.tls_clauses import TlsClauses
from prefork.testing.contract.tls_client import certificates
from prefork.testing.contract.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BackendContract", "Client", "Scripted", "TlsContract", "Worker", "Workers", "note", "until"]


class _Suite:
    """One loop's."""

    backend: ClassVar[str]
    """As in `backend = "…"`."""
    options: ClassVar[Mapping[str, Any]] = {}
    """As in `[backends.NAME]`."""
    threaded: ClassVar[bool] = False
    """Each session has a thread of its own: a callback that blocks holds up no other."""


class BackendContract(
    _Suite,
    LifeClauses,
    BeatClauses,
    AcceptClauses,
    SessionClauses,
    StreamClauses,
    ConnClauses,
    AppClauses,
    CoroutineClauses,
):
    """What a loop must keep. A subclass names the loop; it may have tests of its own that take `start`."""

    @pytest.fixture
    def start(self) -> Iterator[Workers]:
        """Start a worker: `start()` of Scripted sessions, `start(Kind, max_sessions=1)`; it is gone after the test."""
        with Workers(self.backend, self.options) as start:
            yield start


class TlsContract(_Suite, TlsClauses, SessionClauses, StreamClauses, ConnClauses, CoroutineClauses):
    """What it must keep of that over TLS, and the clause about TLS. Wants the package `trustme`."""

    @pytest.fixture
    def start(self) -> Iterator[Workers]:
        """As BackendContract's."""
        with Workers(self.backend, self.options, tls=certificates().server) as start:
            yield start
