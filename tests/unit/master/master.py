"""A whole master on the fake kernel: its loop, its board, its orders, and a clock that jumps."""

from __future__ import annotations

import os
import signal
from typing import Any

from prefork import log
from prefork.config import ServerConfig
from prefork.master.effects import Effects
from prefork.master.facts import Asked, ConfigRead, Performed, Signalled
from prefork.master.loop import Loop
from prefork.master.orders import Orders
from prefork.master.reload import Reload
from prefork.master.reporter import Reporter
from prefork.master.scoreboard import Scoreboard
from prefork.mold.settings import MoldSettings
from prefork.policy.limits import Limits
from prefork.testing.fake_kernel import FakeKernel

SECOND = 1_000_000_000


class FakeMaster:
    """`pool` is the `[pool]` table."""

    def __init__(self, *, listeners: int = 1, backlog: int = 128, **pool: Any) -> None:
        urls = [f"tcp://127.0.0.1:{1 + index}" for index in range(listeners)]
        self.config = ServerConfig.model_validate({"app": "tests.apps.lines:Echo", "listen": urls, "pool": pool})
        self.kernel = FakeKernel(listeners=listeners, backlog=backlog)
        self.sink = log.Sink(os.open(os.devnull, os.O_WRONLY))
        self.announced: list[list[str]] = []
        self.board = Scoreboard(self.config, seed=1)
        self.effects = Effects(self.kernel, self.board, _settings)
        self.reporter = Reporter(self.kernel, self.board, self.sink, None, self.announced.append)
        self.kernel.judgement = ConfigRead(self.config, {})
        self.reload = Reload(self.kernel, self.board, lambda: {"sources": "the files"})
        self.orders = Orders(self.board, self.reload, {"status": self.reporter.status})
        self.loop = Loop(self.kernel, self.board, self.effects, self.orders, self.reporter)

    def signal_after(self, seconds: float, signum: int, times: int = 1) -> None:
        """The operator signals the master."""
        self.kernel.after(round(seconds * SECOND), lambda: self.kernel.tell_master(Signalled(signum, times)))

    def ask_after(self, seconds: float, command: str, client: int = 1) -> None:
        """Somebody asks through the control socket."""
        self.kernel.after(round(seconds * SECOND), lambda: self.kernel.tell_master(Asked(client, command, {})))

    def run(self, seconds: float) -> list[Performed]:
        """Let the master live for so long, then end it with QUIT; what it decided before that."""
        seen: list[Performed] = []
        self.kernel.after(round(seconds * SECOND), lambda: seen.extend(self.board.history))
        self.signal_after(seconds, signal.SIGQUIT)
        self.loop.run()
        self.sink.close()
        return seen

    def kinds(self, seconds: float) -> list[str]:
        """The same as `kind reason`."""
        return [f"{done.decision.kind} {done.decision.because.reason}" for done in self.run(seconds)]


def _settings(config: ServerConfig) -> MoldSettings:
    limits = Limits.of(config.pool)
    return MoldSettings(
        app=config.app,
        backend=config.backend,
        options={},
        sys_path=[],
        app_path=None,
        listeners=[],
        tls=[],
        name="fake",
        master=1,
        max_sessions=limits.max_sessions,
        heartbeat_interval_ns=limits.heartbeat_interval_ns,
        heartbeat_timeout_ns=limits.heartbeat_timeout_ns,
        drain_timeout_ns=limits.drain_timeout_ns,
        boot_timeout_ns=limits.boot_timeout_ns,
        open_files=1024,
    )
