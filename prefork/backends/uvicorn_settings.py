"""`[backends.asyncio.uvicorn]`: settings of uvicorn's, judged by its own `Config`, and what it makes of them.

Theory. Each is judged before anything is bound: its name is a parameter of `uvicorn.Config` and none that the pool has
of its own; its value fits that parameter's annotation, is no word that uvicorn doesn't know, and as a number, which is
a size, a count or seconds everywhere, isn't below 0. What only loading can tell, a class that can't be imported, say,
is told when the mold adopts the app.
"""

from __future__ import annotations

import importlib.util
import inspect
import logging
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from prefork.app.naming import did_you_mean
from prefork.backends.options import fits, hints_of, in_words
from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OURS: Final = frozenset(
    (
        *("app", "factory", "host", "port", "uds", "fd", "backlog", "loop", "workers", "env_file"),
        *("reload", "reload_dirs", "reload_delay", "reload_includes", "reload_excludes"),
        *("log_config", "use_colors", "limit_max_requests", "limit_max_requests_jitter"),
        *("timeout_notify", "callback_notify", "timeout_graceful_shutdown", "timeout_worker_healthcheck"),
        *("ssl_keyfile", "ssl_certfile", "ssl_keyfile_password", "ssl_version", "ssl_cert_reqs", "ssl_ca_certs"),
        *("ssl_ciphers", "ssl_context_factory"),
    )
)
"""Settings of uvicorn's that the pool has of its own."""
_DEFAULTS: Final[Mapping[str, Any]] = {"access_log": False, "interface": "asgi3"}
_FORWARDED: Final = frozenset({b"x-forwarded-proto", b"x-forwarded-for"})
"""The headers that uvicorn's ProxyHeadersMiddleware reads; to a request with neither it does nothing."""
_CURE: Final = "uvicorn is not installed: pip install 'prefork[asgi]'"
_EXTRAS: Final = {"http": "httptools", "ws": "websockets"}
"""What uvicorn takes, where it is installed, for the `auto` of a setting."""
_log = logging.getLogger("prefork.worker")


def check_settings(given: Mapping[str, Any]) -> None:
    """Refuse what uvicorn doesn't have, what is the pool's, and values that can't be. Raises ValueError in one line."""
    kinds = _kinds()
    for name, value in given.items():
        if name in _OURS:
            raise ValueError(f"uvicorn.{name} is for prefork to set: leave it out")
        if name not in kinds:
            cure = did_you_mean(name, kinds.keys() - _OURS)
            raise ValueError(f"uvicorn.{name}: uvicorn has no such setting{cure}")
        _check_value(name, value, kinds[name])


def _kinds() -> Mapping[str, Any]:
    """The type of each setting; Any where it can't be told."""
    if importlib.util.find_spec("uvicorn") is None:
        raise ValueError(_CURE)
    from uvicorn import Config  # noqa: PLC0415 - optional

    return dict.fromkeys(inspect.signature(Config).parameters, Any) | hints_of(Config.__init__)


def _check_value(name: str, value: object, kind: Any) -> None:  # noqa: ANN401 - any annotation
    if not fits(value, kind):
        raise ValueError(f"uvicorn.{name}: expected {in_words(kind)}, not {value!r:.60}")
    if isinstance(value, (int, float)) and not value >= 0:  # neither is nan
        raise ValueError(f"uvicorn.{name}: {value!r} is below 0")
    words = _words(name, kind)
    if isinstance(value, str) and words and value.lower() not in words and ":" not in value:
        raise ValueError(f"uvicorn.{name}: {value!r} is not known; there are: {', '.join(words)}")


def _words(name: str, kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - any annotation
    """What may be said, beside the name of a class (`module:Class`); none where anything may."""
    if name == "log_level":
        from uvicorn.config import LOG_LEVELS  # noqa: PLC0415 - optional

        return tuple(LOG_LEVELS)
    return tuple(word for each in get_args(kind) if get_origin(each) is Literal for word in get_args(each))


def configure(handler: Callable[..., Any], settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - uvicorn's Config
    """Uvicorn's view of an app, with all that it needs imported. Raises ConfigError where that can't be."""
    if importlib.util.find_spec("uvicorn") is None:
        raise ConfigError(f"an app of style 'asgi' is served by uvicorn's protocols; {_CURE}")
    from uvicorn import Config  # noqa: PLC0415 - optional

    told = {**_DEFAULTS, **settings}
    try:
        config = Config(lambda: handler, factory=True, log_config=None, **told)
        config.load()
        _shorten(config)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"[backends.asyncio] uvicorn {dict(settings)}: {type(error).__name__}: {error}") from error
    return config


def _shorten(config: Any) -> None:  # noqa: ANN401 - uvicorn's Config
    """Ask who is believed as a proxy for a request alone that came through one: all others are the app's at once."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: PLC0415 - optional

    proxied = config.loaded_app
    if isinstance(proxied, ProxyHeadersMiddleware):
        direct = proxied.app

        def app(scope: Any, receive: Any, send: Any) -> Any:  # noqa: ANN401 - ASGI's
            for name, _ in scope.get("headers", ()):
                if name in _FORWARDED:
                    return proxied(scope, receive, send)
            return direct(scope, receive, send)

        config.loaded_app = app


def tell_what_is_missing(config: Any) -> None:  # noqa: ANN401 - uvicorn's Config
    """Say in one line what serves where uvicorn, without a word, took the next best for what isn't installed."""
    auto = [name for setting, name in _EXTRAS.items() if getattr(config, setting) == "auto"]
    missing = [name for name in auto if importlib.util.find_spec(name) is None]
    if missing:
        http, websockets = _served_by(config.http_protocol_class), _served_by(config.ws_protocol_class)
        serving = f"HTTP is served by {http}, WebSockets {f'by {websockets}' if websockets else 'are not'}"
        _log.warning("%s: %s not installed: pip install 'prefork[asgi]'", serving, _and_are(missing))


def _and_are(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _served_by(protocol: Any) -> str:  # noqa: ANN401 - a class, or None
    """The library's name; empty for none."""
    return "" if protocol is None else str(protocol.__module__).rpartition(".")[2].removesuffix("_impl")
