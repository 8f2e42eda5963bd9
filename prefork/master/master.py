"""One live master: its parts are made, its loop runs, and whatever happened nothing is left running."""

from __future__ import annotations

import errno
import logging
import os
import resource
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork import log
from prefork.address import parse_address
from prefork.errors import ConfigError, PreforkError
from prefork.master.backoff import BackoffWatch
from prefork.master.control import ControlServer
from prefork.master.effects import Effects
from prefork.master.facts import ConfigRead
from prefork.master.family import Family
from prefork.master.journal import Journal
from prefork.master.linux_kernel import LinuxKernel
from prefork.master.listeners import Listener
from prefork.master.loop import Loop, Witness
from prefork.master.orders import Orders
from prefork.master.reload import Reload
from prefork.master.reporter import Reporter
from prefork.master.scoreboard import Scoreboard
from prefork.master.shadow import Shadow
from prefork.master.tls import check_tls, tls_of
from prefork.mold import linux
from prefork.mold.settings import MoldSettings
from prefork.places import default_control, make_control_folder
from prefork.policy.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import ServerConfig
    from prefork.policy.config import PoolConfig


_log = logging.getLogger("prefork.master")
_MOST_FILES = 65_536
"""A limit of 1,024, which is common, would end at 330 workers."""


class Setup(NamedTuple):
    """What a master is started with, besides its config."""

    sources: dict[str, Any] | None
    """What a judge reads at a reload: layers.Sources, as JSON. None: the certificates are judged again, and no more."""
    sys_path: list[str]
    app_path: str | None
    config_file: str | None
    announce: Callable[[dict[str, Any]], None]
    """Called once, when clients may come, with `addresses` (URLs) and `control` (a path or None)."""
    origins: dict[str, str]
    """Dotted field -> who said it, of the config; a default has no entry."""
    policy_of: Callable[[str], PoolConfig]
    """Reads the [pool] table of another file, plain. Raises ConfigError."""
    alone: bool
    """This process is a master and nothing else."""


class Start(NamedTuple):
    """What stays as it was at the start."""

    config: ServerConfig
    listeners: list[Listener]
    files: int
    """The soft limit of open files, as it was found."""


def run_master(config: ServerConfig, setup: Setup) -> None:
    """Serve until a stop has been carried out. Raises PreforkError; then nothing is left running either.

    `config`: in its plain form, its certificates judged.
    """
    with ExitStack() as stack:
        for fd in log.occupy_standard_fds():
            stack.callback(os.close, fd)
        sink = log.open_sink()
        stack.callback(sink.close)
        stack.callback(log.detach, log.attach(sink, "master"))
        files = _open_files(alone=setup.alone)
        journal = _journal(config, lambda: reload.origins(board.config))
        if journal is not None:
            stack.callback(journal.close)
        shadow = _shadow(config, setup, journal)
        listeners: list[Listener] = []
        for each in config.listen:
            listeners.append(listener := Listener(parse_address(each.url), each.backlog))
            stack.callback(listener.close)
        stack.callback(linux.become_subreaper, linux.become_subreaper())
        kernel = LinuxKernel(listeners, sink, Family(alone=setup.alone))
        stack.callback(kernel.close)
        board = Scoreboard(config, seed=int.from_bytes(os.urandom(4), sys.byteorder))
        start = Start(config, listeners, files)
        reload = Reload(kernel, board, lambda: _read_again(config, setup, shadow), shadow=shadow, origins=setup.origins)
        effects = Effects(kernel, board, lambda new: _settings(new, setup, start))
        reporter = Reporter(
            kernel,
            board,
            sink,
            setup.config_file,
            lambda urls: setup.announce({"addresses": urls, "control": kernel.control and kernel.control.path}),
            journal=journal,
            shadow=shadow,
            origins=reload.origins,
        )
        queries = {"status": reporter.status, "view": reporter.view, "policy": reporter.policy}
        orders = Orders(board, reload, queries)
        kernel.control = _control(config, kernel)
        witnesses: list[Witness] = [each for each in (journal, shadow, BackoffWatch()) if each is not None]
        Loop(kernel, board, effects, orders, reporter, witnesses=witnesses).run()
        if board.generation:
            _log.info("stopped")
    if board.fatal is not None:
        raise board.fatal


def _journal(config: ServerConfig, origins: Callable[[], dict[str, str]]) -> Journal | None:
    return None if config.journal.path is None else Journal(config.journal, origins)


def _shadow(config: ServerConfig, setup: Setup, journal: Journal | None) -> Shadow | None:
    """The candidate, read before anything is bound. Raises ConfigError."""
    if config.shadow is None:
        return None
    file = str(config.shadow)
    candidate = setup.policy_of(file)
    if candidate == config.pool:
        _log.warning("shadow %s: its [pool] is the pool's own, so it decides nothing otherwise", file)
    return Shadow(file, candidate, journal.note if journal is not None else lambda _: None)


def _read_again(config: ServerConfig, setup: Setup, shadow: Shadow | None) -> ConfigRead | dict[str, Any]:
    """What a judge is to be asked; where there are no sources, what is read at once. Raises ConfigError."""
    file = shadow.file if shadow is not None else None
    if setup.sources is not None:
        return {"sources": setup.sources, "shadow": file}
    check_tls(config)
    candidate: PoolConfig | PreforkError | None
    try:
        candidate = setup.policy_of(file) if file is not None else None
    except PreforkError as error:
        candidate = error
    return ConfigRead(config, setup.origins, candidate)


def _control(config: ServerConfig, kernel: LinuxKernel) -> ControlServer | None:
    """The control socket. One of ours that can't be made is a warning; one that the config names must be there."""
    if config.control is False:
        return None
    path = Path(config.control or default_control(os.getpid())).absolute()
    try:
        if config.control is None:
            make_control_folder()
        return ControlServer(str(path), kernel.watch, kernel.unwatch)
    except (OSError, PreforkError) as error:
        why = f"{path}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            why = f"{path}: another instance listens there, or it is no socket"
        if config.control is not None:
            raise ConfigError(f"control {why}: choose another path, or stop that instance") from None
        _log.warning("no control socket, so `prefork status` and `stop` won't find this instance: %s", why)
        return None


def _open_files(*, alone: bool) -> int:
    """The soft limit as it was found; where the master is alone it is raised: a worker is three files to it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if alone and 0 <= before < _MOST_FILES:
        linux.limit_open_files(_MOST_FILES)
    return before


def _settings(config: ServerConfig, setup: Setup, start: Start) -> MoldSettings:
    limits = Limits.of(config.pool)
    return MoldSettings(
        app=config.app,
        backend=config.backend,
        options=dict(config.backends.get(config.backend, {})),
        sys_path=setup.sys_path,
        app_path=setup.app_path,
        listeners=[each.url for each in start.listeners],
        tls=tls_of(start.config, config),
        name=config.name,
        master=os.getpid(),
        max_sessions=limits.max_sessions,
        heartbeat_interval_ns=limits.heartbeat_interval_ns,
        heartbeat_timeout_ns=limits.heartbeat_timeout_ns,
        drain_timeout_ns=limits.drain_timeout_ns,
        boot_timeout_ns=limits.boot_timeout_ns,
        open_files=start.files,
    )


def own_sys_path() -> list[str]:
    """What the mold's sys.path is to be: the caller's, absolute, so that it finds what the caller would."""
    return [str(Path(each).absolute()) for each in sys.path if isinstance(each, str)]
