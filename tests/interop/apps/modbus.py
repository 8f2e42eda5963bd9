"""pymodbus, by others: protocols that one object makes, which is what its server is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from prefork import App

if TYPE_CHECKING:
    import asyncio


@cache
def modbus_server() -> ModbusTcpServer:
    """One for each worker: it wants the running loop."""
    return ModbusTcpServer(SimDevice(1, [SimData(0, values=17, count=100, datatype=DataType.REGISTERS)]))


def modbus() -> asyncio.BaseProtocol:
    return modbus_server().handle_new_connection()


Modbus = App(modbus, style="protocol")
