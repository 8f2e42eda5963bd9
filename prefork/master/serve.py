"""`prefork.serve`: the master in the caller's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from prefork.app.app import App
from prefork.app.naming import name_of, refuse_while_imported
from prefork.config import ServerConfig
from prefork.errors import AppError, ConfigError
from prefork.layers import policy_of
from prefork.layers.sentences import Narrator
from prefork.layers.shape import shape
from prefork.master.master import Setup, own_sys_path, run_master
from prefork.master.tls import check_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Literal

    from prefork.config import JournalConfig, Listener
    from prefork.policy.config import PoolConfig


def serve(  # noqa: PLR0913 - one a field of ServerConfig
    app: object,
    *,
    listen: str | Listener | Sequence[str | Listener] = "tcp://127.0.0.1:10000",
    pool: PoolConfig | None = None,
    backend: str = "selectors",
    backends: dict[str, dict[str, Any]] | None = None,
    control: str | Path | Literal[False] | None = None,
    name: str = "prefork",
    journal: JournalConfig | None = None,
    shadow: str | Path | None = None,
) -> None:
    """Serve `app` until a signal, the control socket or the app itself stops the pool; then return.

    `app` is an object that another process can import, a global of a module, or a name such as `module:attribute`.
    Those processes import the program: the call stands under `if __name__ == "__main__":`. Main thread only; the signal
    handlers found are restored. Children that this process had before, or starts meanwhile in its own session, are left
    for their starter to wait for; what the pool's processes leave behind is reaped. Raises PreforkError (never
    SystemExit) when the pool can't start or go on.
    """
    config = named_config(
        app,
        listen=listen,
        pool=pool,
        backend=backend,
        backends=backends,
        control=control,
        name=name,
        journal=journal,
        shadow=shadow,
    )
    serve_config(config)


def serve_config(config: ServerConfig, announce: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """Serve what a config says, which no reload changes. `announce`: as in Setup. Raises PreforkError."""
    check_tls(config)
    run_master(
        config.plain(),
        Setup(
            sources=None,
            sys_path=own_sys_path(),
            app_path=None,
            config_file=None,
            announce=announce,
            origins={},
            policy_of=lambda file: policy_of(file).plain(),
            alone=False,
        ),
    )


def named_config(app: object, **given: Any) -> ServerConfig:  # noqa: ANN401 - the fields of ServerConfig
    """A config for an app given as an object or a name; None means the default. Raises ConfigError.

    Refused in a process that imports an app: what it serves would be served by the next process that imports it, too.
    An object is judged at once, before any process is started: whether it has a name, and whether it is an app.
    """
    refuse_while_imported()
    fields = {name: value for name, value in given.items() if value is not None}
    try:
        return ServerConfig(app=app if isinstance(app, str) else _checked_name(app), **fields)
    except ValidationError as error:
        raise ConfigError(Narrator(shape(), {}).tell(error.errors(include_url=False))) from None


def _checked_name(app: object) -> str:
    """The object's name. Raises AppError for what no loop could serve, and for what has no name."""
    if not isinstance(app, App):
        try:
            App(cast("Callable[..., object]", app))
        except TypeError as error:
            raise AppError(f"app: {error}") from None
    return name_of(app)
