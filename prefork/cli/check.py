"""`prefork check`: the config is judged and the effective policy printed, each number with where it comes from.

Then the app: it is imported in a child, as a mold would, and each loop that is installed says how it runs that style.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.cli.flags import Typed, sources_of, with_settings
from prefork.cli.loops import own_path, require_backend, require_options
from prefork.cli.styles import judge, require_match
from prefork.layers import load, policy_of, require_app
from prefork.master.tls import check_tls
from prefork.places import SUFFIX, control_folder
from prefork.policy.limits import arithmetic, explain
from prefork.policy.units import size_text

if TYPE_CHECKING:
    from prefork.cli.styles import Verdict
    from prefork.config import Listener
    from prefork.layers import Loaded
    from prefork.policy.config import PoolConfig

DEFAULT = "default"


class Line(NamedTuple):
    """One number, its value and where that comes from."""

    field: str
    value: str
    origin: str


@with_settings
def check(*words: Typed, **said: Typed | list[Typed]) -> int:
    """Check the config and the app, print the effective policy and which loops can run the app."""
    loaded = load(sources_of(words, said))
    require_app(loaded)
    require_backend(loaded)
    require_options(loaded)
    check_tls(loaded.config)
    if loaded.config.shadow is not None:
        policy_of(str(loaded.config.shadow))
    print(block(lines(loaded)))  # noqa: T201 - the command's output
    verdict = judge(loaded, own_path())
    print(f"\n{block(table(verdict, loaded.config.backend))}")  # noqa: T201
    require_match(verdict, loaded.config.backend)
    return 0


def table(verdict: Verdict, chosen: str) -> list[Line]:
    """Return a row for each loop: how it runs the app."""
    rows = [Line(name, how, "the backend" if name == chosen else "") for name, how in verdict.loops.items()]
    return [Line("style", verdict.style, ""), *rows]


def lines(loaded: Loaded) -> list[Line]:
    """Return the whole config in the order of the model."""
    config = loaded.config
    control = "none" if config.control is False else str(config.control or f"{control_folder()}/PID{SUFFIX}")
    values = {"app": config.app, "backend": config.backend, "control": control, "name": config.name}
    values["shadow"] = str(config.shadow or "none")
    values["listen"] = ", ".join(_listener(one) for one in config.listen)
    top = [Line(field, values[field], _origin(loaded, field)) for field in type(config).model_fields if field in values]
    kept = {"journal.path": str(config.journal.path or "none"), "journal.max_size": size_text(config.journal.max_size)}
    top += [Line(field, value, _origin(loaded, field)) for field, value in kept.items()]
    options = [
        Line(f"backends.{name}.{key}", repr(value), _origin(loaded, f"backends.{name}.{key}"))
        for name, table in config.backends.items()
        for key, value in table.items()
    ]
    pool = [
        Line(
            f"pool.{row.field}", row.value, f"from {row.origin}" if row.origin else _origin(loaded, f"pool.{row.field}")
        )
        for row in explain(config.pool)
    ]
    told = {"pool.max_workers": loaded.auto and f", auto: {loaded.auto}", "pool.sizing.kind": _sizing(config.pool)}
    return [*top, *options, *(line._replace(origin=line.origin + (told.get(line.field) or "")) for line in pool)]


def _listener(one: Listener) -> str:
    tls = "" if one.tls is None else f", TLS {one.tls.min_version} and later by {one.tls.cert}"
    asks = "" if one.tls is None or one.tls.client_ca is None else f", clients by {one.tls.client_ca}"
    return f"{one.url} (backlog {one.backlog}{tls}{asks})"


def block(rows: list[Line]) -> str:
    """Return the rows as aligned columns; a value too long for its column pushes its origin aside."""
    field = max(len(row.field) for row in rows)
    value = min(max(len(row.value) for row in rows), 40)
    return "\n".join(f"{row.field:{field}}  {row.value:{value}}  {row.origin}".rstrip() for row in rows)


def _sizing(config: PoolConfig) -> str:
    formula = arithmetic(config)
    return f": {formula}" if formula else ""


def _origin(loaded: Loaded, field: str) -> str:
    return loaded.origins.get(field, DEFAULT)
