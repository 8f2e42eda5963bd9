"""One config out of its layers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from prefork.config import RESERVED, ServerConfig
from prefork.errors import AppError, ConfigError
from prefork.layers import machine
from prefork.layers.environment import read_environment
from prefork.layers.files import ConfigFile, anchored, app_file, read_file
from prefork.layers.sentences import Narrator
from prefork.layers.shape import Path as FieldPath
from prefork.layers.shape import shape
from prefork.layers.sources import PREFIX, Sources
from prefork.layers.tree import Said, Tree, cover, flat, plain, put, tree_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.policy.config import PoolConfig

DEFAULT_FILE = "prefork.toml"
ANY_APP = "any:app"


class Loaded(NamedTuple):
    """A config and where it comes from."""

    config: ServerConfig
    origins: dict[str, str]
    """Dotted field -> who said it (`prefork.toml`, `PREFORK_NAME`, `--max-workers`, `APP`); a default has no entry."""
    app_path: str | None
    """What goes first on sys.path so that `module:attribute` is found; None: the app is a file."""
    config_file: str | None
    """The file that was read last, absolute, without symbolic links; None: no file."""
    auto: str = ""
    """How `max_workers = "auto"` came to its number; empty: it isn't auto."""

    def blame(self, field: str) -> str:
        """Return how a message begins that is about `field`: its source, and its name where the source is a file."""
        source = self.origins.get(field, "default")
        exact = source == "APP" or source.startswith(("-", PREFIX))
        return source if exact else f"{source}: {field}"


def load(sources: Sources) -> Loaded:
    """Return the config that the sources give now. Raises ConfigError; its text is one line."""
    files = _files(sources)
    cwd = Path(sources.cwd)
    spoken = (read_environment(sources.environ), _flags(sources))
    layers = [*(tree_of(anchored(file.settings, file.path.parent), file.shown) for file in files)]
    layers += [_anchored_tree(tree, cwd) for tree in spoken]
    merged: Tree = {}
    for layer in layers:
        merged = cover(merged, layer, shape().choices)
    auto = _resolve_auto(merged)
    said = dict(flat(merged))
    config = _validated(merged, said)
    return Loaded(
        config=config,
        origins={".".join(path): one.source for path, one in said.items()},
        app_path=_app_path(config.app, said, files, cwd),
        config_file=os.path.realpath(files[-1].path) if files else None,
        auto=auto,
    )


def policy_of(file: str) -> PoolConfig:
    """Return the pool of a shadow's file, as `serve -c FILE` would have it; [pool] alone is enough.

    Raises ConfigError.
    """
    if not Path(file).exists():
        raise ConfigError(f"shadow {file}: there is no such file")
    return load_policy(file).config.pool


def load_policy(file: str | None) -> Loaded:
    """Return the config that a file gives; it needn't name an app. Raises ConfigError."""
    return load(Sources.here(file, {"app": ANY_APP}, {"app": "APP"}))


def require_app(loaded: Loaded) -> None:
    """Refuse an app whose file isn't there; a module is left to the mold. Raises AppError."""
    file = app_file(loaded.config.app)
    if file is None or Path(file).is_file():
        return
    raise AppError(f"{loaded.blame('app')}: {loaded.config.app!r}: there is no file {file}")


def _files(sources: Sources) -> list[ConfigFile]:
    """Return the files that have settings, lowest first."""
    project = read_file("pyproject.toml", sources.cwd, asked_for=False)
    own = read_file(sources.file or DEFAULT_FILE, sources.cwd, asked_for=sources.file is not None)
    if own is not None and project is not None and own.path == project.path:
        project = None
    return [file for file in (project, own) if file is not None]


def _flags(sources: Sources) -> Tree:
    """Return the flags as a tree; `--workers N` alone says the kind as well, so that it drops another one's keys."""
    tree: Tree = {}
    for path, value in _pairs(sources.flags):
        dotted = ".".join(path)
        put(tree, path, Said(value, sources.spelled.get(dotted, f"--{dotted.replace('_', '-')}"), file=False))
    return tree


def _pairs(flags: Mapping[str, Any], path: FieldPath = ()) -> list[tuple[FieldPath, Any]]:
    pairs: list[tuple[FieldPath, Any]] = []
    for key, value in flags.items():
        pairs += _pairs(value, (*path, key)) if isinstance(value, dict) else [((*path, key), value)]
    return pairs


def _anchored_tree(tree: Tree, folder: Path) -> Tree:
    """Return the tree with its own relative paths made absolute from `folder`."""
    tops = {key: said.value for key, said in tree.items() if isinstance(said, Said)}
    absolute = anchored(tops, folder)
    found: Tree = {
        key: said._replace(value=absolute[key]) if isinstance(said, Said) else said for key, said in tree.items()
    }
    if isinstance(journal := tree.get("journal"), dict):  # the one table with a path
        found["journal"] = {
            key: said._replace(value=anchored({"journal": {key: said.value}}, folder)["journal"][key])
            if isinstance(said, Said)
            else said
            for key, said in journal.items()
        }
    return found


def _resolve_auto(merged: Tree) -> str:
    """Put the number of this machine in the place of `max_workers = "auto"`; return how it came about."""
    pool = merged.get("pool")
    said = pool.get("max_workers") if isinstance(pool, dict) else None
    if not isinstance(pool, dict) or not isinstance(said, Said) or str(said.value).strip() != machine.AUTO:
        return ""
    sessions = pool.get("max_sessions")
    one_session = isinstance(sessions, Said) and str(sessions.value).strip() == "1"
    auto = machine.auto_workers(machine.this_machine(), one_session=one_session)
    pool["max_workers"] = said._replace(value=auto.workers)
    return auto.arithmetic


def _validated(merged: Tree, said: dict[FieldPath, Said]) -> ServerConfig:
    for path, one in said.items():
        if path[0] == "pools":
            raise ConfigError(f"{one.source}: pools: {RESERVED}")
    values = plain(merged)
    for path, choice in shape().choices.items():
        table = _table(values, path)
        if table is not None:
            table.setdefault("kind", choice.default)
    try:
        return ServerConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(Narrator(shape(), said).tell(error.errors(include_url=False))) from None


def _table(values: dict[str, Any], path: FieldPath) -> dict[str, Any] | None:
    """Return the table at `path`, if there is one."""
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _app_path(app: str, said: dict[FieldPath, Said], files: list[ConfigFile], cwd: Path) -> str | None:
    """Return the folder of the file that names the module, or the current directory."""
    if app_file(app) is not None:
        return None
    source = said[("app",)].source
    folders = {file.shown: file.path.parent for file in files}
    return str(folders.get(source, cwd))
