"""A setting that is tried as a config, and as the TOML to paste."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.errors import ConfigError
from prefork.policy.config import DemandSizing, PoolConfig
from prefork.policy.units import duration_text, nanoseconds
from prefork.simulation.frontier import Setting

if TYPE_CHECKING:
    from prefork.cli.candidates import Candidate

_TIMES = ("hold", "target_wait")


class Base(NamedTuple):
    """What is not varied, and where the search begins."""

    candidate: Candidate
    setting: Setting
    sizing: dict[str, Any]
    """Of demand sizing, but for what is varied."""

    def config(self, setting: Setting) -> PoolConfig:
        """Return the pool of a setting. Raises ConfigError for one that can't be."""
        own = self.candidate.config.model_dump(exclude_unset=True)
        sizing = {**self.sizing, "headroom": setting.headroom, "hold": setting.hold}
        bounds = {"min_workers": setting.min_workers, "max_workers": setting.max_workers}
        start = own.get("start_workers")
        if start is not None and not setting.min_workers <= start <= setting.max_workers:
            del own["start_workers"]
        try:
            return PoolConfig(**{**own, **bounds, "sizing": DemandSizing(**sizing)})
        except ValueError as error:
            raise ConfigError(f"{self.candidate.name}: {error}") from None


def base_of(candidate: Candidate, wait: str) -> Base:
    """Return the base that a config makes: `target_wait` is the wait that is still good, unless the config says it."""
    pool = candidate.config
    own = pool.sizing.model_dump(exclude_unset=True) if isinstance(pool.sizing, DemandSizing) else {}
    sizing = {"kind": "demand", "target_wait": wait} | own
    least = pool.min_workers if "min_workers" in pool.model_fields_set else min(2, pool.max_workers)
    return Base(candidate, Setting(1.0, 30, least, pool.max_workers), sizing)


def toml_of(base: Base, setting: Setting) -> str:
    """Return `[pool]` with the setting, ready to paste."""
    config = base.config(setting)
    sizing = config.sizing.model_dump(exclude_unset=True)
    lines = [
        "[pool]",
        *(f"{name} = {getattr(config, name)}" for name in ("min_workers", "max_workers", "max_sessions")),
        "",
        "[pool.sizing]",
        'kind = "demand"',
        *(f"{name} = {_value(name, value)}" for name, value in sizing.items() if name != "kind"),
    ]
    return "\n".join(lines) + "\n"


def _value(name: str, value: object) -> str:
    if name in _TIMES and isinstance(value, int | float):
        return json.dumps(duration_text(nanoseconds(value)))
    return f"{value:g}" if isinstance(value, float) else str(value)
