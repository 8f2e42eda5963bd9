"""pymodbus, a Modbus server by others, under prefork; its own client reads and writes registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pymodbus.client import ModbusTcpClient

from prefork import PoolConfig
from prefork.testing import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.testing import LivePool


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def pool(request: pytest.FixtureRequest) -> Iterator[LivePool]:
    """One worker, since each has registers of its own."""
    config = PoolConfig.model_validate({"sizing": {"kind": "static", "workers": 1}})
    options = {"asyncio": {"loop": request.param}}
    with running("tests.interop.apps.modbus:Modbus", backend="asyncio", backends=options, pool=config) as pool:
        yield pool
        pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))
        assert pool.stop() == 0
        assert "ERROR" not in pool.log


def test_registers_are_read_and_written(pool: LivePool) -> None:
    host, port = pool.address
    with ModbusTcpClient(host, port=port) as one, ModbusTcpClient(host, port=port) as other:
        assert one.read_holding_registers(10, count=5, device_id=1).registers == [17] * 5
        assert not one.write_registers(11, [1, 2, 3], device_id=1).isError()
        assert other.read_holding_registers(10, count=5, device_id=1).registers == [17, 1, 2, 3, 17]
        assert other.read_holding_registers(1000, count=1, device_id=1).isError()
        other.write_registers(11, [17, 17, 17], device_id=1)


def test_a_client_that_is_served_when_the_pool_stops_is_cut_at_the_deadline() -> None:
    config = PoolConfig(drain_timeout=0.5)
    with running("tests.interop.apps.modbus:Modbus", backend="asyncio", pool=config) as pool:
        host, port = pool.address
        with ModbusTcpClient(host, port=port) as client:
            assert client.read_holding_registers(0, count=1, device_id=1).registers == [17]
            assert pool.stop() == 0
