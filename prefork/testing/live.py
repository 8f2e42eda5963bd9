"""A real pool in processes of its own, for tests: started, looked at, and gone when the block ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from prefork.address import UnixAddress, parse_address
from prefork.client import Connection
from prefork.errors import AppError, BootError, ConfigError, PreforkError
from prefork.master.handover import Handover, command
from prefork.master.master import own_sys_path
from prefork.master.serve import named_config
from prefork.master.tls import check_tls
from prefork.policy.model import Phase, PoolView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.config import ServerConfig

_VIEW = TypeAdapter(PoolView)
_STEP_S = 0.005
_ERRORS: dict[str, type[PreforkError]] = {each.__name__: each for each in (AppError, BootError, ConfigError)}


class LivePool:
    """A pool that runs. Every method that asks the master raises PreforkError once it is gone."""

    def __init__(self, config: ServerConfig, folder: Path) -> None:
        self._folder = folder
        self._import_timeout = config.pool.import_timeout
        self._log = folder / "log"
        check_tls(config)
        reading, writing = os.pipe()
        told = Handover(config.plain(), own_sys_path(), announce=writing, parent=os.getpid())
        memory = told.to_file()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                command("prefork.master", str(memory)),
                pass_fds=(memory, writing),
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        os.close(memory)
        os.close(writing)
        self._news = open(reading, encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self.urls: tuple[str, ...] = ()
        """Where it listens, in the config's order, with the real ports."""
        self.control = ""
        """Its control socket."""

    def _await_announcement(self, timeout: float) -> Self:
        said = self._next_news(timeout)
        self.urls, self.control = tuple(said["addresses"]), said["control"]
        return self

    def _next_news(self, timeout: float) -> dict[str, Any]:
        ready, _, _ = select.select([self._news], [], [], timeout)
        line = self._news.readline() if ready else ""
        if not line:
            raise PreforkError(f"the pool said nothing within {timeout} s; its log:\n{self.log}")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            error = _ERRORS.get(said["kind"], PreforkError)(said["error"])
            error.add_note(f"The log of the pool:\n{self.log}")
            raise error from None
        return said

    @property
    def pid(self) -> int:
        """Of the master."""
        return self._process.pid

    @property
    def address(self) -> Any:  # noqa: ANN401 - as socket.connect takes it: a pair for TCP, a path for a Unix socket
        """Where it listens, as `socket.connect` takes it; of several listeners the first."""
        parsed = parse_address(self.urls[0])
        return parsed.path if isinstance(parsed, UnixAddress) else tuple(parsed)

    @property
    def log(self) -> str:
        """What master and workers have written to stderr so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def status(self) -> dict[str, Any]:
        """What `prefork status --json` prints."""
        return self.ask("status")

    def ask(self, command: str) -> dict[str, Any]:
        """The master's answer to one command of the control socket."""
        try:
            with Connection(Path(self.control)) as connection:
                return connection.ask(command)
        except PreforkError as error:
            error.add_note(f"The log of the pool:\n{self.log}")
            raise

    def view(self) -> PoolView:
        """The policy's view of this instant."""
        view: PoolView = _VIEW.validate_python(self.ask("view")["view"])
        return view

    def worker_pids(self) -> dict[int, int]:
        """Pid of each worker that is born, by its id."""
        return {row["id"]: row["pid"] for row in self.status()["workers"] if row["pid"] is not None}

    def wait_for(self, fact: Callable[[PoolView], bool], timeout: float = 5.0) -> PoolView:
        """The first view of which `fact` is true. Raises TimeoutError, with the last view and the log."""
        until = time.monotonic() + timeout
        while not fact(view := self.view()):
            if time.monotonic() > until:
                raise TimeoutError(f"not true within {timeout} s of {view}; the log:\n{self.log}")
            time.sleep(_STEP_S)
        return view

    def wait_until_serving(self, timeout: float = 10.0) -> PoolView:
        """As many workers as the pool starts with can accept. Raises the error that ended the pool instead."""
        try:
            return self.wait_for(lambda view: view.generation > 0 and all_serve(view), timeout)
        except PreforkError:
            self._next_news(timeout)
            raise

    def signal(self, signum: int) -> None:
        """Signal the master."""
        self._process.send_signal(signum)

    def stop(self, timeout: float = 10.0) -> int:
        """Stop it in an orderly way, if it still runs; its exit code. Kills it, and raises, after `timeout` seconds."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float = 10.0) -> int:
        """Wait until it has ended; its exit code. Kills it, and raises TimeoutError, after `timeout` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise TimeoutError(f"the master did not end within {timeout} s; its log:\n{self.log}") from None

    def close(self) -> None:
        """Stop it and forget it."""
        try:
            self.stop()
        finally:
            self._news.close()


def all_serve(view: PoolView) -> bool:
    """There are workers, and all of them can accept."""
    return bool(view.workers) and all(worker.phase is Phase.SERVING for worker in view.workers)


@contextmanager
def running(app: object, *, wait: bool = True, **config: Any) -> Iterator[LivePool]:  # noqa: ANN401
    """A real pool that serves `app` on a free port of 127.0.0.1 until the block ends.

    `config` is what `prefork.serve` takes (`pool=PoolConfig(…)`, `listen`, `backend` …). `wait=False` doesn't wait for
    workers, only for the app's import. Raises what `prefork.serve` raises when the pool can't start.
    """
    with tempfile.TemporaryDirectory(prefix="prefork-test-") as folder:
        given = {"listen": "tcp://127.0.0.1:0", "control": str(Path(folder) / "control"), **config}
        pool = LivePool(named_config(app, **given), Path(folder))
        try:
            pool._await_announcement(pool._import_timeout + 10)  # noqa: SLF001 - one module
            if wait:
                pool.wait_until_serving()
            yield pool
        finally:
            pool.close()
