"""Who is compared: prefork at each setting of its two knobs, and every peer at its defaults and tuned.

Theory. A policy is its name and a setting, a text that can be read and that keys the cache. The settings of a peer are
those of its knobs that an operator would turn, from stingy to generous; its bounds (min, start) follow where it has
such. `default` is what one gets who sets nothing.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.simulation.peers import PEERS

if TYPE_CHECKING:
    from prefork.simulation.master import Decide

DEFAULT = "default"
PREFORK = "prefork"
HEADROOMS = (0.0, 0.5, 1.0, 2.0)
HOLDS = (10, 30, 60, 120)
MOST = 64
"""Workers; nobody's default, so everybody's."""


class Policy(NamedTuple):
    """A name and a setting: `default`, or such as `headroom=1.0 hold=60`."""

    name: str
    setting: str = DEFAULT

    @property
    def is_prefork(self) -> bool:
        """Whether it is ours."""
        return self.name == PREFORK


def defaults() -> list[Policy]:
    """Return everybody at its defaults, prefork first."""
    return [Policy(PREFORK), *map(Policy, PEERS)]


def tuned_prefork() -> list[Policy]:
    """Return prefork at each setting of its two knobs."""
    return [Policy(PREFORK, _text(headroom=one, hold=hold)) for one, hold in product(HEADROOMS, HOLDS)]


def tuned_peers() -> list[Policy]:
    """Return every peer at each of its settings, its defaults first."""
    return [Policy(name, setting) for name in PEERS for setting in (DEFAULT, *map(_text_of, _KNOBS[name]))]


def config_of(policy: Policy, places: int) -> PoolConfig:
    """Return the config of a run: what nobody sets is prefork's default, but for the two that all share."""
    knobs = _read(policy.setting) if policy.is_prefork else {}
    sizing = {"kind": "demand", **knobs}
    return PoolConfig.model_validate({"max_workers": MOST, "max_sessions": places, "sizing": sizing})


def decide_of(policy: Policy) -> Decide:
    """Return its decide()."""
    if policy.is_prefork:
        return decide
    return PEERS[policy.name](**_read(policy.setting))


def _spares(lows: tuple[int, ...], widths: tuple[int, ...]) -> list[dict[str, float]]:
    return [{"min_spare": low, "max_spare": low + width} for low, width in product(lows, widths)]


_KNOBS: dict[str, list[dict[str, float]]] = {
    "seed": [{"min_spare": low, "max_spare": low + 5} for low in (2, 4, 8, 16)],
    "apache": _spares((1, 2, 3, 4, 6, 8), (2, 5, 10, 20)),
    "php-fpm-dynamic": _spares((2, 3, 4, 6, 8), (1, 3, 6, 12)),
    "php-fpm-ondemand": [{"idle_timeout": one} for one in (1, 3, 30, 60)],
    "uwsgi-spare": [{"cheaper": one, "overload": two} for one, two in product((2, 6, 12), (1, 3, 10))],
    "uwsgi-spare2": [
        {"cheaper": one, "step": two, "idle_cycles": three}
        for one, two, three in product((1, 2, 3, 4, 6, 8), (1, 8), (5, 10, 30))
    ],
    "uwsgi-backlog": [{"cheaper": one, "overload": two} for one, two in product((2, 8, 16), (1, 3))],
    "uwsgi-busyness": [
        {"cheaper": 2, "most": one, "least": two, "multiplier": three, "step": step}
        for (one, two), three, step in product(((0.5, 0.25), (0.7, 0.4), (0.85, 0.6)), (3, 10), (1, 4))
    ],
    "net-server": [
        {"min_servers": low, "min_spare": low, "max_spare": low + width, "check_for_waiting": check}
        for low, width, check in product((1, 2, 3, 4, 6), (1, 3, 6), (10, 30))
    ],
    "postfix": [{"max_idle": one} for one in (1, 3, 10, 30)],
    "kubernetes-hpa": [
        {"target": one, "window": two, "min_replicas": three}
        for one, two, three in product((0.3, 0.5, 0.7), (60, 300), (1, 4))
    ],
    "knative-kpa": [
        {"utilization": one, "window": two} for one, two in product((0.3, 0.4, 0.5, 0.6, 0.7), (30, 60, 120))
    ],
    "delayed-off": [{"wait": one} for one in (1, 3, 30, 60)],
}


def _text_of(knobs: dict[str, float]) -> str:
    return _text(**knobs)


def _text(**knobs: float) -> str:
    return " ".join(f"{name}={value:g}" for name, value in knobs.items())


def _read(setting: str) -> dict[str, float]:
    if setting == DEFAULT:
        return {}
    pairs = (pair.split("=") for pair in setting.split())
    return {name: float(value) if "." in value else int(value) for name, value in pairs}
