"""The echo server of asyncio's documentation, a stream handler, under prefork on every loop that runs it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from prefork.testing import running
from tests.interop.programs import nc, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.testing import LivePool


@pytest.fixture(
    scope="module", params=[("asyncio", {"loop": "asyncio"}), ("asyncio", {"loop": "uvloop"}), ("threads", {})]
)
def pool(request: pytest.FixtureRequest) -> Iterator[LivePool]:
    loop, options = request.param
    with running("tests.interop.apps.echo:handle_echo", backend=loop, backends={loop: options}) as pool:
        yield pool
        pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))
        assert pool.stop() == 0
        assert "ERROR" not in pool.log


@pytest.mark.needs("nc.openbsd")
def test_nc_hears_what_it_says(pool: LivePool) -> None:
    assert run(nc(pool.urls[0]), b"Hello World!") == b"Hello World!"


def test_the_documentation_s_client_hears_it_too(pool: LivePool) -> None:
    async def say(message: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*pool.address)
        writer.write(message)
        heard = await reader.read(100)
        writer.close()
        await writer.wait_closed()
        return heard

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(say(b"%d" % number) for number in range(100)))

    assert asyncio.run(crowd()) == [b"%d" % number for number in range(100)]
