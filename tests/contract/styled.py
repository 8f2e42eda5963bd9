"""The contract's scripted session as an asyncio.Protocol and as a stream handler: so that its clauses can be asked."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

from prefork.backends.preface import address
from prefork.testing.contract.scripted import Scripted, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.session import Address


class Ends:
    """What a scripted session asks of its conn, over a transport."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.timers: set[asyncio.TimerHandle] = set()
        self.offloads = 0
        self.after: Callable[[], object] = lambda: None
        """Called when something that was waited for is over."""

    def send_item(self, line: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(f"{line}\n".encode())

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    def call_later(self, seconds: float, fn: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        def due() -> None:
            self.timers.discard(timer)
            fn(*args)
            self.after()

        timer = self.loop.call_later(seconds, due)
        self.timers.add(timer)
        return timer

    def offload(self, fn: Callable[[], Any], then: Callable[[Any], object]) -> None:
        def done(future: asyncio.Future[Any]) -> None:
            self.offloads -= 1
            then(future.result())
            self.after()

        self.offloads += 1
        self.loop.run_in_executor(None, fn).add_done_callback(done)

    def over(self) -> None:
        for timer in self.timers:
            timer.cancel()

    async def rest(self) -> None:
        """Nothing is waited for any more, or not soon."""
        rested = asyncio.Event()
        self.after = lambda: rested.set() if not (self.timers or self.offloads) else None
        self.after()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(rested.wait(), 0.1)

    @property
    def waits(self) -> bool:
        return bool(self.timers or self.offloads)

    @property
    def peer(self) -> Address:
        return address(self.transport.get_extra_info("peername"))

    @property
    def local(self) -> Address:
        return address(self.transport.get_extra_info("sockname"))

    listener = local


class ScriptedProtocol(asyncio.Protocol):
    """Closes at a drain when it is idle."""

    script = Scripted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.ends = Ends(cast("asyncio.WriteTransport", transport))
        self.ends.after = self.settle
        self.session = self.script()
        self.session.conn = self.ends  # type: ignore[assignment]
        self.text = b""
        self.leaves = False
        self.session.opened()

    def data_received(self, data: bytes) -> None:
        *lines, self.text = (self.text + data).split(b"\n")
        for line in lines:
            if not self.ends.transport.is_closing():
                self.session.received(line.decode())
        self.settle()

    def eof_received(self) -> bool:
        note("eof")
        return False

    def shutdown(self) -> None:
        self.leaves = True
        if self.text or self.ends.waits or self.ends.transport.get_write_buffer_size():
            note("draining")
        self.settle()

    def settle(self) -> None:
        if self.leaves and not self.text and not self.ends.waits:
            self.ends.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends.over()
        self.session.closed(exc)


async def scripted_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends with its input."""
    ends = Ends(writer.transport)
    session = Scripted()
    session.conn = ends  # type: ignore[assignment]
    session.opened()
    error: BaseException | None = None
    try:
        while line := await reader.readline():
            session.received(line.decode().rstrip("\n"))
            await writer.drain()
            await ends.rest()
    except BaseException as raised:
        error = raised
        raise
    finally:
        ends.over()
        session.closed(error)
