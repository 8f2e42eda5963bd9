"""Our own loops keep the contract."""

from __future__ import annotations

from prefork.testing.contract import BackendContract


class TestSelectors(BackendContract):
    backend = "selectors"


class TestAsyncio(BackendContract):
    backend = "asyncio"
    options = {"loop": "asyncio"}  # noqa: RUF012 - as the guide writes it


class TestUvloop(BackendContract):
    backend = "asyncio"
    options = {"loop": "uvloop"}  # noqa: RUF012 - as the guide writes it


class TestThreads(BackendContract):
    backend = "threads"
    threaded = True
